"""Flat over a box, exponential beyond it: what a density on a grid says of points outside its grid."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import uniform_nodes
from poserior.distributions.laplace import _one_side
from poserior.distributions.loc_scale import LocScale, StandardLaw, Summary


class StandardPlateau(StandardLaw):
    """``prod_d exp(-max(|e_d| - 1, 0) / tail) / (2 + 2 tail)``.

    Args:
        tail: decay length of each side, in half sides of the box.
    """

    def __init__(self, tail: float = 0.5) -> None:
        self.tail = tail
        self.height = 1 / (2 + 2 * tail)
        self.beyond = tail / (1 + tail)  # the mass outside [-1, 1] on one axis

    def log_prob(self, error: Tensor) -> Tensor:
        return error.shape[-1] * math.log(self.height) - self._excess(error)

    def draw(self, count: int, like: Tensor) -> Tensor:
        return self._quantile(torch.rand(count, like.shape[-1], dtype=like.dtype, device=like.device))

    def summary(self, like: Tensor) -> Summary:
        zero = torch.zeros(like.shape[-1], dtype=like.dtype, device=like.device)
        variance = (1 - self.beyond) / 3 + self.beyond * (1 + 2 * self.tail + 2 * self.tail**2)
        return Summary(zero, zero, variance * torch.eye(like.shape[-1], dtype=like.dtype, device=like.device))

    def nodes(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        points = self._quantile(uniform_nodes(count, like.shape[-1])).to(like)
        return points, torch.full((count,), 1 / count, dtype=like.dtype, device=like.device)

    def kernel_mean(self, center: Tensor, width: Tensor) -> Tensor:
        narrow = math.sqrt(2) * width
        flat = math.sqrt(math.pi / 2) * width * (torch.erf((1 - center) / narrow) + torch.erf((1 + center) / narrow))
        right = _one_side((center - 1) / self.tail, width / self.tail)
        left = _one_side((-center - 1) / self.tail, width / self.tail)
        return (self.height * (flat + 2 * self.tail * (left + right))).prod(-1)

    def level(self, error: Tensor) -> Tensor:
        # Outside, the density falls with the summed excess; given that k axes are outside, that sum is Gamma(k, 1).
        dim, excess = error.shape[-1], self._excess(error)
        inside = (1 - self.beyond) ** dim
        level = torch.full_like(excess, inside)
        for k in range(1, dim + 1):
            share = math.comb(dim, k) * self.beyond**k * (1 - self.beyond) ** (dim - k)
            level = level + share * torch.special.gammainc(torch.full_like(excess, k), excess)
        # The flat part is one tie: nearer to the centre (largest coordinate) goes first.
        return torch.where(excess > 0, level, inside * error.abs().amax(-1) ** dim)

    def _excess(self, error: Tensor) -> Tensor:
        return (error.abs() - 1).clamp_min(0).sum(-1) / self.tail

    def _quantile(self, share: Tensor) -> Tensor:
        side = self.beyond / 2
        smallest = torch.finfo(share.dtype).tiny
        left = -1 + self.tail * (share / side).clamp(smallest, 1).log()
        right = 1 - self.tail * ((1 - share) / side).clamp(smallest, 1).log()
        flat = -1 + (share - side) / self.height
        return torch.where(share < side, left, torch.where(share > 1 - side, right, flat))


class Plateau(LocScale):
    """Constant over the box ``loc +- scale``, decaying as ``exp(-distance / (tail * scale))`` beyond each side.

    Args:
        loc: ``(*batch, D)``, the box's centre.
        scale: ``(*batch, D)``, half the box's sides.
        tail: decay length, in half sides.
    """

    law: StandardPlateau

    def __init__(self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"], tail: float = 0.5) -> None:
        super().__init__(loc, scale, StandardPlateau(tail))
