"""A density whose credible levels are mapped to those its labels were seen to have."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import NODES, Distribution, GaussianKernel, Kernel, average_over_nodes, index_batch

FEW = NODES // 4  # nodes for moments and expectations, which start from the base's own
TINY = 1e-12  # expectations below this are not divided by


class Recalibrated(Distribution):
    """``p'(y) = p(y) r(u(y))`` with u the base's `credible_level` and ``r = R'``, R a map of [0, 1] onto itself.

    Under the base u is uniform, so p' is normalised, and the share of p' within the base's p % region is ``R(p)``: if
    R is the distribution function of the levels that held-out labels have, the regions of p' cover what they say
    (Kuleshov et al., "Accurate Uncertainties for Deep Learning Using Calibrated Regression", 2018, with levels of
    highest density in place of quantiles). R is linear between its knots.

    `mode` and `credible_level` keep the *base's* order of points: the p % region of p' is the base's region that
    holds p % of p', whatever R is. It is the region of highest density (the smallest one) too wherever ``r(u) p`` falls
    outwards: for every concave R, and for others whose slope grows more slowly than the base falls. `post_hoc.scale`
    fits maps that keep this order from one piece between knots to the next, unless the labels contradict it; within a
    piece's width of a knot where r grows, densities may be out of order.

    All this is as exact as the base's levels are. Those of fused densities come from 256 nodes and err by up to some
    0.03; then so does the whole mass of p', in either direction.

    Samples come by rejection, moments and expectations by the base's nodes, reweighted; no gradient flows through u.

    Args:
        base: any density.
        levels: ``(*batch, M)``, broadcast: the knots, rising from 0 to 1.
        mass: ``(*batch, M)``, broadcast: R there, rising from 0 to 1.

    >>> from poserior.distributions import Gaussian
    >>> base = Gaussian(torch.zeros(1, 2), torch.ones(1, 2))
    >>> law = Recalibrated(base, torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.8, 1.0]))
    >>> round((law.log_prob(law.mode) - base.log_prob(base.mode)).exp().item(), 4)  # 0.8 / 0.5
    1.6
    """

    def __init__(self, base: Distribution, levels: Float[Tensor, "*#B M"], mass: Float[Tensor, "*#B M"]) -> None:
        like = base.mean
        self.base, self.log_prob_is_exact = base, base.log_prob_is_exact
        self.levels = levels.to(like).expand(*base.batch_shape, levels.shape[-1])
        self.mass = mass.to(like).expand(self.levels.shape)
        self._slopes_at_nodes: dict[int, Tensor] = {}
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def slopes(self) -> Tensor:
        """``(*batch, M - 1)``: r between the knots."""
        return self.mass.diff(dim=-1) / self.levels.diff(dim=-1)

    @property
    def mode(self) -> Tensor:
        return self.base.mode

    @property
    def mean(self) -> Tensor:
        """The base's mean, moved by what the reweighting moves the nodes' mean."""
        points, own = self.base.nodes(FEW)
        return self.base.mean + ((self.nodes(FEW)[1] - own)[..., None] * points).sum(0)

    @property
    def covariance(self) -> Tensor:
        points, weights = self.nodes(FEW)
        away = points - (weights[..., None] * points).sum(0)
        return (weights[..., None, None] * away[..., :, None] * away[..., None, :]).sum(0)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.base.log_prob(value) + self._slope(self.base.credible_level(value)).log()

    def credible_level(self, value: Tensor) -> Tensor:
        level = self.base.credible_level(value)
        index = self._segment(level)
        low, mass, slope = (_pick(part, index) for part in (self.levels, self.mass, self.slopes))
        return (mass + slope * (level - low)).clamp(0, 1)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """The base's, for its order of points is kept; their weights are the base's too."""
        return self.base.parts()

    def candidates(self) -> Tensor:
        return self.base.candidates()

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        count, dim = torch.Size(sample_shape).numel(), self.event_shape[0]
        highest = self.slopes.amax(-1)
        # Of `tries` draws 1 in `highest` is kept. So many that too few would be a fluke of four standard deviations.
        tries = math.ceil(float(highest.max()) * (count + 4 * math.sqrt(count) + 8)) if highest.numel() else count
        draws = self.base.sample((tries,))
        share = self._slope(self.base.credible_level(draws)) / highest
        kept = torch.rand_like(share) < share
        first = (~kept).to(torch.uint8).argsort(stable=True, dim=0)[:count]
        chosen = draws.gather(0, first[..., None].expand(*first.shape, dim))
        return chosen.reshape(self._extended_shape(torch.Size(sample_shape)))

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        points, weights = self.base.nodes(count)
        if count not in self._slopes_at_nodes:
            self._slopes_at_nodes[count] = self._slope(self.base.nodes_level(count)).detach()
        moved = weights * self._slopes_at_nodes[count]
        return points, moved / moved.sum(0)

    def expectation(self, kernel: Kernel) -> Tensor:
        """``E[kernel(Y)]``; of a `GaussianKernel` the base's own, times what the reweighting does to it at the nodes.

        The factor is exact for kernels much narrower or wider than the density, and for ``R(u) = u``.
        """
        if not isinstance(kernel, GaussianKernel):
            return average_over_nodes(self, kernel)
        points, own = self.base.nodes(FEW)
        values = kernel(points)
        plain, moved = (own * values).sum(0), (self.nodes(FEW)[1] * values).sum(0)
        factor = moved / plain.clamp_min(TINY)
        if torch.compiler.is_exporting() or bool((plain <= TINY).any()):  # a kernel that no node feels: r at its centre
            far = self._slope(self.base.credible_level(kernel.center.expand(points.shape[1:])))
            factor = torch.where(plain > TINY, factor, far)
        return (self.base.expectation(kernel) * factor).clamp_max(1)

    def affine(self, scale: Tensor, shift: Tensor) -> "Recalibrated":
        return Recalibrated(self.base.affine(scale, shift), self.levels, self.mass)

    def __getitem__(self, index: Any) -> "Recalibrated":
        return Recalibrated(self.base[index], index_batch(self.levels, index), index_batch(self.mass, index))

    def _segment(self, level: Tensor) -> Tensor:
        """Which two knots a level ``(..., *batch)`` lies between, 0..M-2."""
        return (level[..., None] >= self.levels[..., 1:-1]).sum(-1)

    def _slope(self, level: Tensor) -> Tensor:
        return _pick(self.slopes, self._segment(level))


def _pick(table: Tensor, index: Tensor) -> Tensor:
    """Entries of ``(*batch, M)`` at ``(..., *batch)``."""
    return table.expand(*index.shape, table.shape[-1]).gather(-1, index[..., None])[..., 0]
