"""Robust losses: what a large reprojection error costs."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Loss = Callable[[Float[Tensor, "*N"]], tuple[Float[Tensor, "*N"], Float[Tensor, "*N"]]]
"""From the squared (Mahalanobis) distance ``s`` to the cost ``rho(s)`` and its slope; the slope at 0 is 1."""


def squared(distance: Float[Tensor, "*N"]) -> tuple[Float[Tensor, "*N"], Float[Tensor, "*N"]]:
    """``rho(s) = s``: the negative log density (twice) of a Gaussian; no protection from outliers."""
    return distance, torch.ones_like(distance)


def huber(width: float | int = 1.5) -> Loss:
    """``rho(s) = s`` up to ``width^2``, then ``2 width sqrt(s) - width^2``: an outlier's pull stays bounded.

    Args:
        width: in standard deviations.

    >>> huber(2.0)(torch.tensor([1.0, 9.0]))
    (tensor([1., 8.]), tensor([1.0000, 0.6667]))
    """

    def loss(distance: Float[Tensor, "*N"]) -> tuple[Float[Tensor, "*N"], Float[Tensor, "*N"]]:
        # the root's slope at 0 is infinite: it is taken only where the distance is large
        root = distance.clamp_min(width**2).sqrt()
        far = distance > width**2
        cost = torch.where(far, 2 * width * root - width**2, distance)
        return cost, torch.where(far, width / root, torch.ones_like(distance))

    return loss


def geman_mcclure(width: float | int = 4.0) -> Loss:
    """``rho(s) = width^2 s / (width^2 + s)``: an outlier costs at most ``width^2`` and, far off, pulls no more.

    The loss of SMPLify (Bogo et al., "Keep it SMPL", 2016), here in standard deviations instead of pixels.

    Args:
        width: in standard deviations.

    >>> geman_mcclure(2.0)(torch.tensor([4.0]))
    (tensor([2.]), tensor([0.2500]))
    """

    def loss(distance: Float[Tensor, "*N"]) -> tuple[Float[Tensor, "*N"], Float[Tensor, "*N"]]:
        share = width**2 / (width**2 + distance)
        return distance * share, share**2

    return loss
