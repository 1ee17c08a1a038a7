"""Predicted people drawn into their picture with the ellipses of their densities."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from poserior import outputs
from poserior.distributions import Distribution
from poserior.inference.regions import ellipse_radius
from poserior.outputs import Ellipses, Person
from poserior.outputs.overlay import gaussian_ellipses
from poserior.structures import Prediction


def draw_people(
    image: UInt8[np.ndarray, "H W 3"], people: Sequence[Person], level: float = 0.9
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """`poserior.outputs.draw_people` with the ellipses, about the mean, that hold `level` of each predicted density.

    Args:
        image: RGB.
        people: predictions in pixels of `image`; one that carries no density has the ellipses of Gaussians.
        level: the mass each ellipse holds.
    """
    return outputs.draw_people(image, people, level, ellipses=density_ellipses)


def density_ellipses(person: Person, level: float) -> Ellipses:
    """The ellipses of a person's density; the fitted regions' where there are some."""
    law = person.distribution if isinstance(person, Prediction) else None
    if person.regions or not isinstance(law, Distribution) or person.keypoints.shape[1] != 2:
        return gaussian_ellipses(person, level)
    covariance = np.asarray(person.covariance, np.float64)
    return law.mean.double().cpu().numpy(), covariance, ellipse_radius(law, level).double().cpu().numpy()
