"""Ellipses that hold a given mass of a density, and the regions with guaranteed coverage that a model has fitted."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.calibration import Regions
from poserior.distributions import Distribution
from poserior.errors import InputError
from poserior.models import Model, ModelSpec, Regressor

COVERAGE = 0.9
"""The promise of regions, unless asked otherwise."""


def fitted_regions(model: Model, spec: ModelSpec, flip_test: bool, coverage: float | None) -> Regions | None:
    """The regions that hold for predictions of this kind; None if there are none and nobody asked for them.

    Args:
        model: an ensemble has none: the regions of its members speak of their densities, not of the mixture.
        spec: says how the regions were fitted.
        flip_test: how predictions will be made; regions hold only for the way they were fitted.
        coverage: what was asked for; None if nothing was.

    Raises:
        InputError: regions were asked for and there are none, or the coverage does not lie in (0, 1).
    """
    if coverage is not None and not 0 < coverage < 1:
        raise InputError(f"expected a coverage of regions between 0 and 1, found {coverage:g}; give 0.9 for 90 %")
    regions = model.regions if isinstance(model, Regressor) else None
    with_flip = spec.fitted_on.get("regions", {}).get("flip_test", flip_test)
    if regions is not None and with_flip == flip_test:
        return regions
    if coverage is None:
        return None
    if regions is not None:
        raise InputError(
            f"expected predictions {'with' if with_flip else 'without'} the flip test, as the regions were fitted,"
            f" found them {'with' if flip_test else 'without'}; change it or fit the regions again"
        )
    if not isinstance(model, Regressor):
        raise InputError(
            "expected one run for regions, found an ensemble (its members' regions are not those of their mixture);"
            " predict with one run or leave --regions out"
        )
    raise InputError(
        "expected a run with fitted regions, found none; fit them on held-out people with"
        " `poserior calibrate --method conformal`"
    )


def ellipse_radius(distribution: Distribution, level: float = 0.9) -> Tensor:
    """Mahalanobis radius, about the mean, of the ellipse that holds `level` of the density.

    ``P((Y - mean)^T covariance^-1 (Y - mean) <= radius^2) = level``, from the density's own quadrature nodes; the
    Gaussian's is ``sqrt(-2 ln(1 - level))`` in the plane, a heavy-tailed law's differs.

    Args:
        distribution: ``batch_shape (...)``, ``event_shape (D,)``.
        level: the mass, in (0, 1).

    Returns:
        ``batch_shape``.
    """
    points, weights = distribution.nodes()
    inverse_factor = torch.linalg.inv(torch.linalg.cholesky(distribution.covariance))
    whitened = (inverse_factor @ (points - distribution.mean)[..., None])[..., 0]
    return weighted_quantile(whitened.norm(dim=-1), weights, level)


def weighted_quantile(
    values: Float[Tensor, "M *B"], weights: Float[Tensor, "M *B"], level: float
) -> Float[Tensor, "*B"]:
    """The quantile of weighted values along the first axis, linear between the middles of the weights' steps.

    >>> weighted_quantile(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([0.25, 0.25, 0.5]), 0.5).item()
    2.0
    """
    values, order = values.sort(0)
    weights = weights.gather(0, order)
    middles = weights.cumsum(0) - weights / 2
    above = (middles < level * weights.sum(0)).sum(0, keepdim=True).clamp(1, len(values) - 1)
    low, high = middles.gather(0, above - 1), middles.gather(0, above)
    share = ((level * weights.sum(0) - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
    return torch.lerp(values.gather(0, above - 1), values.gather(0, above), share)[0]
