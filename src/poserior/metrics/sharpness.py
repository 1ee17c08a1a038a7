"""Sharpness: how wide are the regions that hold the labels? Of two honest densities the narrower one says more."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, expect_shape, labelled_values, masked_mean


def region_width(
    covariance: Float[Tensor, "*N 2 2"], radius: Float[Tensor, "*N"] | None = None, probability: float = 0.9
) -> Float[Tensor, "*N"]:
    """Width of the ellipse ``(y - mean)^T C^-1 (y - mean) <= r^2``: the diameter of the circle of equal area.

    ``2 r det(C)^(1/4)``, in the unit of the points; the area is ``pi r^2 sqrt(det C)``.

    Args:
        covariance: of the predicted densities.
        radius: r of the ellipse that holds the wanted mass under the density; the Gaussian's
            ``sqrt(-2 ln(1 - probability))`` if None.
        probability: the mass, in (0, 1); not looked at with a radius.

    Raises:
        ValueError: the probability is none, or a shape does not fit.

    >>> round(region_width(torch.diag(torch.tensor([4.0, 9.0])), torch.tensor(2.0)).item(), 4)  # half-axes 4 and 6
    9.798
    """
    if radius is None:
        if not 0 < probability < 1:
            raise ValueError(f"expected a probability in (0, 1), found {probability}; give 0.9 for 90 %")
        radius = covariance.new_full(covariance.shape[:-2], math.sqrt(-2 * math.log(1 - probability)))
    expect_shape("radius", radius, covariance.shape[:-2], "one per covariance")
    determinant = covariance[..., 0, 0] * covariance[..., 1, 1] - covariance[..., 0, 1] * covariance[..., 1, 0]
    return 2 * radius * determinant.clamp_min(0).sqrt().sqrt()


def region_reach(
    preds: Float[Tensor, "*N 2"],
    target: Float[Tensor, "*N 2"],
    covariance: Float[Tensor, "*N 2 2"],
    radius: Float[Tensor, "*N"],
) -> Float[Tensor, "*N"]:
    """By what factor the ellipse about `preds` would have to grow to reach `target`; at most 1 if it holds it.

    Args:
        preds: the ellipses' centres, the densities' means.
        target: labels in the same unit.
        covariance: of the densities.
        radius: the ellipses' Mahalanobis radii.
    """
    x, y = (target - preds).unbind(-1)
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    determinant = (a * c - b * b).clamp_min(torch.finfo(a.dtype).tiny)
    square = (c * x * x - 2 * b * x * y + a * y * y) / determinant
    return square.clamp_min(0).sqrt() / radius


def coverage_against_width(
    reach: Float[Tensor, "..."],
    width: Float[Tensor, "..."],
    visibility: Visibility,
    factors: Float[Tensor, "F"] | Sequence[float],
) -> tuple[Float[Tensor, "F"], Float[Tensor, "F"]]:
    """Mean width, and share of labels held, of regions that are all scaled by the same factor.

    The curve does not ask whether the sizes are right, only whether they are large where the errors are: of two
    methods the one whose curve lies higher needs less width to hold as many labels.

    Args:
        reach: `region_reach`, any shape.
        width: `region_width`, the same shape.
        visibility: the same shape; COCO's 0/1/2 or a mask.
        factors: F factors; 1 leaves the regions as they are.

    Returns:
        The mean widths and the shares, in float64.

    >>> reach, width = torch.tensor([0.5, 1.5, 9.0]), torch.tensor([10.0, 30.0, 5.0])
    >>> widths, held = coverage_against_width(reach, width, torch.tensor([2, 1, 0]), (1.0, 2.0))
    >>> widths.tolist(), held.tolist()
    ([20.0, 40.0], [0.5, 1.0])
    """
    far, wide = labelled_values(visibility, reach, width)
    scale = torch.as_tensor(factors, dtype=far.dtype, device=far.device)
    held = torch.searchsorted(far.sort().values, scale, right=True) / far.numel()
    return scale * wide.mean(), held.to(far.dtype)


def needed_width(
    reach: Float[Tensor, "..."], width: Float[Tensor, "..."], visibility: Visibility, probability: float = 0.9
) -> Float[Tensor, ""]:
    """The mean width at which the regions, all scaled by one factor, hold `probability` of the labels.

    The point of `coverage_against_width` at that height: sharpness that no method gains by promising too little.

    Raises:
        ValueError: the probability is none, or a shape does not fit.

    >>> needed_width(torch.tensor([0.5, 1.5]), torch.tensor([10.0, 30.0]), torch.tensor([2, 1]), 0.9).item()
    30.0
    """
    if not 0 < probability <= 1:
        raise ValueError(f"expected a probability in (0, 1], found {probability}; give 0.9 for 90 %")
    (far,) = labelled_values(visibility, reach)
    if not far.numel():
        return width.new_full((), torch.nan)
    factor = far.sort().values[math.ceil(probability * far.numel() - 1e-9) - 1]
    return (factor * masked_mean(width.double(), visibility)).to(width.dtype)
