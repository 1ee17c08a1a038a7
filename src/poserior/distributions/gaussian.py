"""Gaussian with independent axes."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import normal_nodes
from poserior.distributions.loc_scale import LocScale, StandardLaw, Summary


class StandardGaussian(StandardLaw):
    """``N(0, I)``."""

    def log_prob(self, error: Tensor) -> Tensor:
        return -0.5 * error.square().sum(-1) - 0.5 * error.shape[-1] * math.log(2 * math.pi)

    def draw(self, count: int, like: Tensor) -> Tensor:
        return torch.randn(count, like.shape[-1], dtype=like.dtype, device=like.device)

    def summary(self, like: Tensor) -> Summary:
        zero = torch.zeros(like.shape[-1], dtype=like.dtype, device=like.device)
        return Summary(zero, zero, torch.eye(like.shape[-1], dtype=like.dtype, device=like.device))

    def nodes(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        points = normal_nodes(count, like.shape[-1]).to(like)
        return points, torch.full((count,), 1 / count, dtype=like.dtype, device=like.device)

    def kernel_mean(self, center: Tensor, width: Tensor) -> Tensor:
        # Per axis w / sqrt(w^2 + 1) * exp(-c^2 / (2 (w^2 + 1))).
        total = width.square() + 1
        return (width / total.sqrt() * torch.exp(-0.5 * center.square() / total)).prod(-1)

    def level(self, error: Tensor) -> Tensor:
        # The squared radius follows chi-square with D degrees of freedom.
        half_dim = torch.tensor(error.shape[-1] / 2, dtype=error.dtype, device=error.device)
        level: Tensor = torch.special.gammainc(half_dim, error.square().sum(-1) / 2)
        return level


class Gaussian(LocScale):
    """``prod_d N(y_d; loc_d, scale_d^2)``.

    Args:
        loc: ``(*batch, D)``.
        scale: ``(*batch, D)`` standard deviations.

    >>> law = Gaussian(torch.zeros(1, 2), torch.ones(1, 2))
    >>> round(law.log_prob(law.mode).item(), 4)  # -log(2 pi)
    -1.8379
    """

    def __init__(self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"]) -> None:
        super().__init__(loc, scale, StandardGaussian())
