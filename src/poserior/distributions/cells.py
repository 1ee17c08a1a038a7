"""What densities that are constant on the cells of a regular grid have in common."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import NODES, Distribution, GaussianKernel, Kernel, average_over_nodes
from poserior.distributions.plateau import Plateau

OUTSIDE_SHARE = 1e-4
"""The mass set aside so that points outside the grid have a density too."""

TIE = 1e-4  # log densities nearer than this are one tie: rounding must not decide the order of equal cells
MARGIN = 1e-3  # the answer keeps this distance, in cells, from its cell's edges


class Cells(Distribution):
    """``p(y) = (1 - outside) mass(cell of y) / volume(cell) + outside * plateau(y)``.

    The plateau (`Plateau`) is flat over the grid's box and decays exponentially beyond it, a quarter of the box's side
    per factor e. So the density is exactly normalised, constant on each cell, finite everywhere, and never higher
    outside the box than in any of its cells. The outside share is counted in everything: density, samples, moments,
    levels.

    Points of equal density (those of one cell above all) are put in order for `credible_level` by their distance from
    the answer's place in the cell, as a share of the cell's volume; so the level is 0 at the mode and the levels
    of draws are exactly uniform.

    Args:
        counts: cells on each axis, in the order of coordinates (x, y[, z]).
        batch_shape: the batch shape.
        like: a tensor with the type and device of everything.
        origin: outer corner of the first cell, broadcast to ``(*batch, D)``; -0.5 if not given.
        size: the cells' sides, broadcast to ``(*batch, D)``, negative where an axis is mirrored; ``1 / counts`` if not
            given: the crop.
        offset: where in its cell the answer lies, ``(*batch, D)`` in [0, 1], kept off the edges by a thousandth;
            the centre if not given.
        outside_share: the plateau's mass.
    """

    def __init__(
        self,
        counts: Sequence[int],
        batch_shape: torch.Size,
        like: Tensor,
        origin: Float[Tensor, "*#B D"] | None = None,
        size: Float[Tensor, "*#B D"] | None = None,
        offset: Float[Tensor, "*#B D"] | None = None,
        outside_share: float = OUTSIDE_SHARE,
    ) -> None:
        shape = (*batch_shape, len(counts))
        self.shape = tuple(counts)
        self.counts = torch.tensor(self.shape, dtype=like.dtype, device=like.device)
        self.origin = (torch.full_like(self.counts, -0.5) if origin is None else origin).expand(shape)
        self.size = (1 / self.counts if size is None else size).expand(shape)
        offset = torch.full_like(self.counts, 0.5) if offset is None else offset.clamp(MARGIN, 1 - MARGIN)
        self.offset, self.outside_share = offset.expand(shape), outside_share
        half = self.size * self.counts / 2
        self.plateau = Plateau(self.origin + half, half)
        super().__init__(batch_shape, torch.Size([len(counts)]), validate_args=False)

    @abstractmethod
    def cell_log_mass(self, index: Tensor) -> Tensor:
        """Log masses of the cells at `index` ``(..., *batch, D)``, in the order of coordinates."""

    @abstractmethod
    def densest(self) -> Tensor:
        """``(*batch, D)``: index of the densest cell."""

    @abstractmethod
    def marginals(self) -> list[Tensor]:
        """The masses along each axis, ``(*batch, counts[d])``."""

    @abstractmethod
    def _index_covariance(self) -> Tensor:
        """Covariance ``(*batch, D, D)`` of the cells' indices."""

    @abstractmethod
    def _draw_cells(self, count: int) -> Tensor:
        """Indices ``(count, *batch, D)`` of cells drawn by their mass."""

    @abstractmethod
    def _node_places(self, count: int) -> Tensor:
        """Points ``(count, *batch, D)`` in units of cells that follow the cells' law evenly."""

    @abstractmethod
    def _weigh(self, per_axis: list[Tensor]) -> Tensor:
        """Sum over cells of mass times the product of factors ``(..., *batch, counts[d])`` of each axis."""

    @abstractmethod
    def _denser(self, log_mass: Tensor) -> tuple[Tensor, Tensor]:
        """The mass, and the share of all cells, of cells with log mass above `log_mass` ``(M, *batch)``."""

    @property
    def mode(self) -> Tensor:
        return self.origin + self.size * (self.densest() + self.offset)

    @property
    def mean(self) -> Tensor:
        cells = self._cells_mean()
        return cells + self.outside_share * (self.plateau.mean - cells)

    @property
    def covariance(self) -> Tensor:
        spread = self._index_covariance() + torch.eye(len(self.shape)).to(self.size) / 12
        cells = self.size[..., :, None] * spread * self.size[..., None, :]
        apart, share = self.plateau.mean - self._cells_mean(), self.outside_share
        between = (1 - share) * apart[..., :, None] * apart[..., None, :]
        return (1 - share) * cells + share * (self.plateau.covariance + between)

    def log_prob(self, value: Tensor) -> Tensor:
        index, _, inside = self._locate(value)
        cell = self.cell_log_mass(index) - self.size.abs().log().sum(-1) + math.log1p(-self.outside_share)
        outside = self.plateau.log_prob(value) + math.log(self.outside_share)
        return torch.where(inside, torch.logaddexp(cell, outside), outside)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        index = self._draw_cells(torch.Size(sample_shape).numel()).reshape(shape)
        inside = self.origin + self.size * (index + torch.rand(shape, dtype=self.size.dtype, device=self.size.device))
        outside = torch.rand(shape[:-1], device=self.size.device) < self.outside_share
        return torch.where(outside[..., None], self.plateau.sample(sample_shape), inside)

    @torch.no_grad()
    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        few = max(1, count // 64)
        outside, _ = self.plateau.nodes(few)
        points = torch.cat([self.origin + self.size * self._node_places(count - few), outside])
        weights = torch.full_like(points[..., 0], (1 - self.outside_share) / max(count - few, 1))
        weights[count - few :] = self.outside_share / few
        return points, weights / weights.sum(0)

    def expectation(self, kernel: Kernel) -> Tensor:
        if not isinstance(kernel, GaussianKernel):
            return average_over_nodes(self, kernel)
        cells = self._weigh([self._kernel_means(kernel, axis) for axis in range(len(self.shape))])
        return (1 - self.outside_share) * cells + self.outside_share * self.plateau.expectation(kernel)

    @torch.no_grad()
    def credible_level(self, value: Tensor) -> Tensor:
        index, place, inside = self._locate(value)
        log_mass = self.cell_log_mass(index).reshape(-1, *self.batch_shape)
        masses, shares = self._denser(torch.cat([log_mass + TIE, log_mass - TIE]))
        (mass, mass_tied), (cells, cells_tied) = masses.chunk(2), shares.chunk(2)
        # The share of the cell's volume that lies nearer (largest coordinate) to the answer's place than the point.
        reach = (place - self.offset).abs().amax(-1, keepdim=True)
        nearer = (self.offset + reach).clamp_max(1) - (self.offset - reach).clamp_min(0)
        share = nearer.prod(-1).reshape(log_mass.shape)
        mass, cells = mass + share * (mass_tied - mass), cells + share * (cells_tied - cells)
        flat = (1 - self.plateau.law.beyond) ** len(self.shape)  # the plateau's own mass inside the box
        level = (1 - self.outside_share) * mass + self.outside_share * flat * cells
        outside = 1 - self.outside_share * (1 - self.plateau.credible_level(value))
        return torch.where(inside, level.reshape(inside.shape), outside)

    def _locate(self, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The cell's index (the nearest cell's for points outside), the place in the cell, and whether inside."""
        place = (value - self.origin) / self.size
        inside = ((place >= 0) & (place < self.counts)).all(-1)
        index = torch.minimum(place.floor().clamp_min(0), self.counts - 1)
        return index.long(), (place - index).clamp(0, 1), inside

    def _cells_mean(self) -> Tensor:
        return self.origin + self.size * (torch.stack([_mean_index(mass) for mass in self.marginals()], -1) + 0.5)

    def _kernel_means(self, kernel: GaussianKernel, axis: int) -> Tensor:
        """The kernel's mean over each cell's extent on one axis, ``(..., *batch, counts[axis])``."""
        origin, size = self.origin[..., axis, None], self.size[..., axis, None]
        center, width = kernel.center[..., axis, None], kernel.width[..., axis, None]
        edges = origin + size * torch.arange(self.shape[axis] + 1, dtype=size.dtype, device=size.device)
        below = torch.erf((edges - center) / (math.sqrt(2) * width))
        return math.sqrt(math.pi / 2) * width / size * below.diff(dim=-1)


def _mean_index(mass: Tensor) -> Tensor:
    return mass @ torch.arange(mass.shape[-1], dtype=mass.dtype, device=mass.device)


def invert(mass: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Where the cumulated mass ``(*S, N)`` reaches `share` ``(*S, M)``: the cell's index and the place in it, 0..1."""
    cumulated = mass.cumsum(-1)
    share = share * cumulated[..., -1:]
    index = torch.searchsorted(cumulated, share.contiguous()).clamp_max(mass.shape[-1] - 1)
    held = mass.gather(-1, index)
    place = 1 - (cumulated.gather(-1, index) - share) / held.clamp_min(torch.finfo(mass.dtype).tiny)
    return index, place.clamp(0, 1)


class Ranked:
    """Cells of a law sorted by mass, to be asked for the mass of those above a value.

    Args:
        log_mass: ``(*batch, N)``.
    """

    def __init__(self, log_mass: Tensor) -> None:
        self.sorted = log_mass.sort(-1).values.contiguous()
        suffix = self.sorted.exp().flip(-1).cumsum(-1).flip(-1)
        self.suffix = torch.nn.functional.pad(suffix, (0, 1))

    def above(self, log_mass: Tensor) -> tuple[Tensor, Tensor]:
        """Mass and share of the cells above `log_mass` ``(*batch, M)``."""
        place = torch.searchsorted(self.sorted, log_mass.contiguous(), right=True)
        return self.suffix.gather(-1, place), 1 - place / self.sorted.shape[-1]


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Entries of ``(*batch, N)`` at ``(..., *batch)``."""
    batch = table.shape[:-1]
    flat = index.reshape(-1, *batch).movedim(0, -1)
    return table.gather(-1, flat).movedim(-1, 0).reshape(index.shape)
