"""Laplace with independent axes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import exponential_nodes
from poserior.distributions.loc_scale import LocScale, StandardLaw, Summary


class StandardLaplace(StandardLaw):
    """``prod_d exp(-|e_d|) / 2``; variance 2 on each axis."""

    def log_prob(self, error: Tensor) -> Tensor:
        return -error.abs().sum(-1) - error.shape[-1] * math.log(2)

    def draw(self, count: int, like: Tensor) -> Tensor:
        size = (count, like.shape[-1])
        magnitude = torch.empty(size, dtype=like.dtype, device=like.device).exponential_()
        return torch.where(torch.rand(size, device=like.device) < 0.5, -magnitude, magnitude)

    def summary(self, like: Tensor) -> Summary:
        zero = torch.zeros(like.shape[-1], dtype=like.dtype, device=like.device)
        return Summary(zero, zero, 2 * torch.eye(like.shape[-1], dtype=like.dtype, device=like.device))

    def nodes(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        points = exponential_nodes(count, like.shape[-1]).to(like)
        return points, torch.full((count,), 1 / count, dtype=like.dtype, device=like.device)

    def kernel_mean(self, center: Tensor, width: Tensor) -> Tensor:
        return (_one_side(center, width) + _one_side(-center, width)).prod(-1)

    def level(self, error: Tensor) -> Tensor:
        # The sum of D exponential magnitudes follows Gamma(D, 1).
        dim = torch.tensor(float(error.shape[-1]), dtype=error.dtype, device=error.device)
        level: Tensor = torch.special.gammainc(dim, error.abs().sum(-1))
        return level


def _one_side(center: Tensor, width: Tensor) -> Tensor:
    """``1/2 int_0^inf exp(-e) exp(-(e - c)^2 / (2 w^2)) de`` without overflow.

    With ``u = (w^2 - c) / (sqrt(2) w)`` it is ``w sqrt(pi/8) exp(-c^2 / (2 w^2)) erfcx(u)``; for u < 0 erfcx overflows,
    and ``erfcx(u) = 2 exp(u^2) - erfcx(-u)`` brings the exponents together first.
    """
    argument = (width.square() - center) / (math.sqrt(2) * width)
    gauss = torch.exp(-0.5 * (center / width).square())
    tail = gauss * torch.special.erfcx(argument.abs())
    # Where the argument is not negative the exponent is unused; keep it (and its gradient) finite there.
    exponent = torch.where(argument < 0, 0.5 * width.square() - center, torch.zeros_like(center))
    return width * math.sqrt(math.pi / 8) * torch.where(argument < 0, 2 * exponent.exp() - tail, tail)


class Laplace(LocScale):
    """``prod_d exp(-|y_d - loc_d| / scale_d) / (2 scale_d)``.

    Args:
        loc: ``(*batch, D)``.
        scale: ``(*batch, D)``, Laplace's own scale: the standard deviation is ``sqrt(2)`` times it.
    """

    def __init__(self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"]) -> None:
        super().__init__(loc, scale, StandardLaplace())
