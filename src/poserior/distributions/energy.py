"""A base law times ``exp f``: the density of an energy-based model, normalised by quadrature."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.adaptive_cells import (
    Cells,
    centres,
    even_edges,
    integrate,
    product,
    refined_edges,
    spread_out,
)
from poserior.distributions.base import (
    NODES,
    Distribution,
    Kernel,
    index_batch,
    level_by_nodes,
    uniform_nodes,
)

Tilt = Callable[[Tensor, Tensor], Tensor]
CELLS = {1: 256, 2: 48, 3: 20}  # per axis
# The cube is that of a logistic law twice as wide as the base: the integrand then falls to zero at the cube's faces.
WIDER = 2.0
# The last steps to the mode: their stencil in scales, and what counts as no fall.
POLISH, ROUNDING = 0.125, 1e-5


class Energy(Distribution):
    """``p(y) = base(e) exp f(e, context) / (Z prod_d |scale_d|)``, ``e = (y - loc) / scale``.

    The base is a standard logistic law on each axis. It makes p integrable whatever f is (if f is bounded), keeps
    ``log_prob`` finite at any distance, and its quantiles carry the whole space to the unit cube, where
    ``Z = int exp f(e(u)) du`` has neither tails nor a chosen window. Z is a midpoint rule over a product grid, drawn
    closer about the mass after two coarse passes. It is an estimate (`log_prob_is_exact` is False): its error falls
    with the square of the cell (0.001 nats on untrained nets; up to 0.007 in 2-D and 0.02 in 3-D about a Gaussian ten
    times narrower than the base), and detail of f narrower than a coarse cell (half as many per axis; in the middle
    ``16 / cells`` scales wide) can be missed. Samples, nodes and moments are those of the
    law that is constant in each cell of the cube. Gradients reach f through `log_prob` and `expectation`.

    Source: Gustafsson et al., "Energy-Based Models for Deep Probabilistic Regression", ECCV 2020 (which integrates
    over a fixed grid).

    Args:
        loc: ``(*batch, D)``, the initial guess; D is 1, 2 or 3.
        scale: ``(*batch, D)``, not zero; how wide the base lies about it. A negative scale mirrors.
        tilt: f, from standardised errors ``(M, *batch, D)`` and the context to ``(M, *batch)``. Bounded and smooth.
        context: ``(*batch, C)``, what f knows of each item.
        cells: per axis of the grid; 256, 48, 20 in one, two, three dimensions if not given.

    Raises:
        ValueError: D is above 3.
    """

    log_prob_is_exact = False

    def __init__(
        self,
        loc: Float[Tensor, "*B D"],
        scale: Float[Tensor, "*B D"],
        tilt: Tilt,
        context: Float[Tensor, "*B C"],
        cells: int | None = None,
    ) -> None:
        if loc.shape[-1] not in CELLS:
            raise ValueError(f"expected 1, 2 or 3 dimensions, found {loc.shape[-1]}; a grid has no place for more")
        self.loc, self.scale, self.tilt, self.context = loc, scale, tilt, context
        self.count = cells or CELLS[loc.shape[-1]]
        self._grid: tuple[Tensor, Cells] | None = None
        self._mode_error: Tensor | None = None
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    def standardise(self, value: Tensor) -> Tensor:
        """``e = (value - loc) / scale``."""
        return (value - self.loc) / self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        return self.unnormalised(self.standardise(value)) - self._log_z() - self.scale.abs().log().sum(-1)

    def unnormalised(self, error: Tensor) -> Tensor:
        """``log base(e) + f(e)`` at ``(..., *batch, D)``: the energy that is trained, in standardised errors."""
        flat = error.reshape(-1, *self.loc.shape)
        return (log_logistic(flat) + self.tilt(flat, self.context)).reshape(error.shape[:-1])

    def ascend(self, start: Tensor, steps: int = 10, eta: float = 0.5) -> Tensor:
        """Gradient ascent of the density from ``(*batch, D)``: the paper's rule keeps a step only if the density grew.

        Otherwise the item's step length is multiplied by `eta`. Slopes and the axes' curvatures, which scale the
        steps, are differences of f, so that the ascent exports.
        """
        return self.loc + self.scale * self._ascend(self.standardise(start), steps, eta)

    @property
    def mode(self) -> Tensor:
        """The densest of the cells and `loc`, and from there by `ascend`."""
        if self._mode_error is None:
            self._mode_error = self._find_mode()
        return self.loc + self.scale * self._mode_error

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * self._moments()[0]

    @property
    def covariance(self) -> Tensor:
        return self.scale[..., :, None] * self._moments()[1] * self.scale[..., None, :]

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device)
        return self._place(uniform.reshape(-1, *self.loc.shape)).reshape(shape)

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        ones = (1,) * len(self.batch_shape)
        uniform = uniform_nodes(count, self.loc.shape[-1]).to(self.loc).reshape(count, *ones, -1)
        points = self._place(uniform.expand(count, *self.loc.shape))
        return points, torch.full_like(points[..., 0], 1 / count)

    def expectation(self, kernel: Kernel) -> Tensor:
        """``E[kernel(Y)]`` by the midpoint rule over the cells that Z is taken over."""
        cells = self._cells()[1]
        if torch.is_grad_enabled():
            cells = integrate(cells.edges, self._value)[1]
        points = self.loc + self.scale * _error(centres(cells.edges)[0])
        return (cells.mass.movedim(-1, 0) * kernel(points)).sum(0)

    def credible_level(self, value: Tensor) -> Tensor:
        return level_by_nodes(self, value)

    def affine(self, scale: Tensor, shift: Tensor) -> "Energy":
        moved = Energy(scale * self.loc + shift, scale * self.scale, self.tilt, self.context, self.count)
        moved._grid, moved._mode_error = self._grid, self._mode_error
        return moved

    def __getitem__(self, index: Any) -> "Energy":
        loc, scale, context = (index_batch(part, index) for part in (self.loc, self.scale, self.context))
        return Energy(loc, scale, self.tilt, context, self.count)

    def _value(self, cube: Tensor) -> Tensor:
        """Log of the integrand over the cube: ``base(e) exp f(e)`` by the density of the wider law."""
        error = _error(cube)
        return self.unnormalised(error) - log_logistic(error / WIDER) + error.shape[-1] * math.log(WIDER)

    def _cells(self) -> tuple[Tensor, Cells]:
        """Log Z and the masses, as constants; found once."""
        if self._grid is None:
            with torch.no_grad():
                half = max(self.count // 2, 2)
                coarse = integrate(even_edges(half, self.loc), self._value)[1]
                closer = integrate(refined_edges(coarse, half), self._value)[1]
                self._grid = integrate(refined_edges(closer, self.count), self._value)
        return self._grid

    def _log_z(self) -> Tensor:
        log_z, cells = self._cells()
        return integrate(cells.edges, self._value)[0] if torch.is_grad_enabled() else log_z

    def _place(self, uniform: Tensor) -> Tensor:
        tiny = torch.finfo(uniform.dtype).eps
        cube = spread_out(self._cells()[1], uniform).clamp(tiny, 1 - tiny)
        return self.loc + self.scale * _error(cube)

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance of ``e``; the base's own spread within each cell counts."""
        cells = self._cells()[1]
        parts = (torch.arange(32, dtype=self.loc.dtype, device=self.loc.device) + 0.5) / 32
        inside = _error(cells.edges[..., :-1, None] + cells.edges.diff(dim=-1)[..., None] * parts)
        first, second = inside.mean(-1), inside.square().mean(-1)
        weights = cells.mass.movedim(-1, 0)[..., None]
        points = product(first)
        mean = (weights * points).sum(0)
        centred = points - mean
        within = (weights * product(second - first.square())).sum(0)
        between = torch.einsum("m...d,m...e->...de", weights * centred, centred)
        return mean, between + torch.diag_embed(within)

    @torch.no_grad()
    def _find_mode(self) -> Tensor:
        cells = self._cells()[1]
        points = _error(product((cells.edges[..., 1:] + cells.edges[..., :-1]) / 2))
        points = torch.cat([torch.zeros_like(points[:1]), points])
        best = self.unnormalised(points).argmax(0, keepdim=True)
        start = points.gather(0, best[..., None].expand(1, *points.shape[1:]))[0]
        return self._polished(self._ascend(start, 5, 0.5))  # which leaves some 1e-6 nats

    def _polished(self, point: Tensor) -> Tensor:
        """Newton's steps by slopes over a wide stencil, exact to fourth order; no step may fall by more than rounding.

        At the top, values in single precision are one plateau, some 1e-3 scales wide; slopes know its middle far
        better. So runtimes that round differently find one point.
        """
        axes = POLISH * torch.eye(point.shape[-1], dtype=point.dtype, device=point.device)
        offsets = torch.cat([axes, -axes, 2 * axes, -2 * axes]).reshape(
            -1, *[1] * len(self.batch_shape), point.shape[-1]
        )
        height = self.unnormalised(point)
        for _ in range(8):
            ahead, behind, far_ahead, far_behind = self.unnormalised(point + offsets).chunk(4)
            slope = (8 * (ahead - behind) - (far_ahead - far_behind)) / (12 * POLISH)
            curvature = (16 * (ahead + behind) - (far_ahead + far_behind) - 30 * height) / (12 * POLISH**2)
            step = (slope / curvature.abs().clamp(min=0.01)).clamp(-0.1, 0.1)
            tried = point + step.movedim(0, -1)
            reached = self.unnormalised(tried)
            kept = reached > height - ROUNDING
            point, height = torch.where(kept[..., None], tried, point), torch.where(kept, reached, height)
        return point

    @torch.no_grad()
    def _ascend(self, start: Tensor, steps: int, eta: float) -> Tensor:
        # The probe is a share of the grid's cell in the middle of the base: wide enough for float32.
        probe = 1 / self.count
        axes = probe * torch.eye(start.shape[-1], dtype=start.dtype, device=start.device)
        offsets = torch.cat([axes, -axes]).reshape(-1, *[1] * len(self.batch_shape), start.shape[-1])
        point, height = start, self.unnormalised(start)
        length = torch.ones_like(height)
        for _ in range(steps):
            ahead, behind = self.unnormalised(point + offsets).chunk(2)
            slope = ((ahead - behind) / (2 * probe)).movedim(0, -1)
            curvature = ((ahead - 2 * height + behind) / probe**2).movedim(0, -1)
            direction = (slope / curvature.abs().clamp(min=0.1)).clamp(-1, 1)
            tried = point + length[..., None] * direction
            reached = self.unnormalised(tried)
            grew = reached > height
            point, height = torch.where(grew[..., None], tried, point), torch.where(grew, reached, height)
            length = torch.where(grew, length, eta * length)
        return point


def _error(cube: Tensor) -> Tensor:
    return WIDER * torch.logit(cube)


def log_logistic(error: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
    """Log density of the standard logistic law with independent axes; finite at any distance."""
    distance = error.abs()
    return (-distance - 2 * torch.nn.functional.softplus(-distance)).sum(-1)
