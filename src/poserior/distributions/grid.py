"""A density that is constant on the cells of a regular grid: a heatmap as a law."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import index_batch, uniform_nodes
from poserior.distributions.cells import OUTSIDE_SHARE, Cells, Ranked, invert, look_up


class Grid(Cells):
    """One mass per cell: ``p(y) = softmax(logits)[cell of y] / volume(cell)``, but for a small share outside the box.

    See `Cells` for the share outside and for how equal densities are ranked. `mode` lies in the densest cell,
    at its centre or where `offset` (a decoded sub-cell position) says: every point of that cell is a maximum.

    Args:
        logits: ``(*batch, H, W)``, in three dimensions ``(*batch, Z, H, W)``: unnormalised log masses, x last as in a
            picture.
        dim: D, the number of trailing axes that are cells.
        origin: outer corner of the first cell, coordinates in the order x, y[, z]; -0.5 if not given.
        size: the cells' sides, negative where mirrored; the crop's side over the number of cells if not given.
        offset: where in its cell the answer lies, ``(*batch, D)`` in [0, 1].
        outside_share: the mass kept for points outside.

    >>> law = Grid(torch.tensor([[[0.5, 0.5], [2.0, 1.0]]]).log())
    >>> law.mode.tolist()
    [[-0.25, 0.25]]
    >>> round(law.log_prob(law.mode).exp().item(), 3)  # half the mass on a quarter of the crop
    2.0
    """

    def __init__(
        self,
        logits: Float[Tensor, "..."],
        dim: int = 2,
        origin: Float[Tensor, "..."] | None = None,
        size: Float[Tensor, "..."] | None = None,
        offset: Float[Tensor, "..."] | None = None,
        outside_share: float = OUTSIDE_SHARE,
    ) -> None:
        batch_shape = logits.shape[: logits.dim() - dim]
        cells = logits.shape[logits.dim() - dim :]
        self.flat_log_mass = logits.flatten(-dim).log_softmax(-1)
        super().__init__(cells[::-1], batch_shape, logits, origin, size, offset, outside_share)

    @property
    def log_mass(self) -> Tensor:
        """``(*batch, [Z,] H, W)``, summing to one after `exp`."""
        return self.flat_log_mass.reshape(*self.batch_shape, *self.shape[::-1])

    def cell_log_mass(self, index: Tensor) -> Tensor:
        return look_up(self.flat_log_mass, self._flat(index))

    def densest(self) -> Tensor:
        return self._unflat(self.flat_log_mass.argmax(-1))

    def marginals(self) -> list[Tensor]:
        return marginals(self.log_mass.exp(), len(self.shape))

    def affine(self, scale: Tensor, shift: Tensor) -> "Grid":
        return self._like(self.log_mass, scale * self.origin + shift, scale * self.size, self.offset)

    def __getitem__(self, index: Any) -> "Grid":
        moved = [index_batch(part, index) for part in (self.origin, self.size, self.offset)]
        return self._like(index_batch(self.log_mass, index, len(self.shape)), *moved)

    def _like(self, log_mass: Tensor, origin: Tensor, size: Tensor, offset: Tensor) -> "Grid":
        return Grid(log_mass, len(self.shape), origin, size, offset, self.outside_share)

    def _index_covariance(self) -> Tensor:
        cells = self._unflat(torch.arange(self.flat_log_mass.shape[-1], device=self.counts.device)).to(self.counts)
        mass = self.flat_log_mass.exp()
        centred = cells - (mass @ cells)[..., None, :]
        return (mass[..., None] * centred).mT @ centred

    def _draw_cells(self, count: int) -> Tensor:
        mass = self.flat_log_mass.exp()
        drawn = torch.multinomial(mass.reshape(-1, mass.shape[-1]), max(count, 1), replacement=True)[:, :count]
        return self._unflat(drawn.mT.reshape(count, *self.batch_shape))

    def _node_places(self, count: int) -> Tensor:
        # One coordinate walks the cells row by row, the others place the point in its cell.
        uniform = uniform_nodes(count, len(self.shape) + 1).to(self.counts)
        mass = self.flat_log_mass.exp()
        index, _ = invert(mass, uniform[:, 0].expand(*self.batch_shape, count))
        places = uniform[:, 1:].reshape(count, *[1] * len(self.batch_shape), -1)
        return self._unflat(index.movedim(-1, 0)) + places

    def _weigh(self, per_axis: list[Tensor]) -> Tensor:
        total = self.log_mass.exp()
        for axis, factors in enumerate(per_axis):  # x, the last axis, first
            apart = factors.reshape(*factors.shape[:-1], *[1] * (len(per_axis) - axis - 1), -1)
            total = (total * apart).sum(-1)
        return total

    def _denser(self, log_mass: Tensor) -> tuple[Tensor, Tensor]:
        mass, share = Ranked(self.flat_log_mass).above(log_mass.movedim(0, -1))
        return mass.movedim(-1, 0), share.movedim(-1, 0)

    def _flat(self, index: Tensor) -> Tensor:
        flat = torch.zeros_like(index[..., 0])
        for axis in reversed(range(len(self.shape))):
            flat = flat * self.shape[axis] + index[..., axis]
        return flat

    def _unflat(self, flat: Tensor) -> Tensor:
        parts = []
        for count in self.shape:
            parts.append(flat % count)
            flat = flat // count
        return torch.stack(parts, -1)


def marginals(mass: Float[Tensor, "..."], dim: int) -> list[Tensor]:
    """Sums of ``(*batch, [Z,] H, W)`` along each axis, in the order of coordinates.

    >>> [part.tolist() for part in marginals(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), 2)]
    [[5.0, 7.0, 9.0], [6.0, 15.0]]
    """
    parts = []
    for axis in range(dim):
        total = mass
        for other in range(dim):
            total = total if other == axis else total.sum(-1 - other, keepdim=True)
        parts.append(total.flatten(-dim))
    return parts
