"""A density that is constant on cells, with independent axes: one histogram per coordinate."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import index_batch, uniform_nodes
from poserior.distributions.cells import OUTSIDE_SHARE, Cells, Ranked, invert, look_up


class ProductGrid(Cells):
    """``p(y) = prod_d softmax(logits_d)[bin of y_d] / width_d``, but for a small share outside the box (`Cells`).

    Args:
        logits: one tensor ``(*batch, counts[d])`` for each axis, in the order x, y[, z]: unnormalised log masses.
        origin: outer corner of the first cell; -0.5 if not given.
        size: the bins' widths, negative where mirrored; the crop's side over the number of bins if not given.
        offset: where in its cell the answer lies, ``(*batch, D)`` in [0, 1].
        outside_share: the mass kept for points outside.
    """

    def __init__(
        self,
        logits: Sequence[Float[Tensor, "..."]],
        origin: Float[Tensor, "..."] | None = None,
        size: Float[Tensor, "..."] | None = None,
        offset: Float[Tensor, "..."] | None = None,
        outside_share: float = OUTSIDE_SHARE,
    ) -> None:
        self.log_masses = [axis.log_softmax(-1) for axis in logits]
        first, counts = self.log_masses[0], [axis.shape[-1] for axis in self.log_masses]
        super().__init__(counts, first.shape[:-1], first, origin, size, offset, outside_share)

    def cell_log_mass(self, index: Tensor) -> Tensor:
        parts = [look_up(log_mass, index[..., axis]) for axis, log_mass in enumerate(self.log_masses)]
        return torch.stack(parts).sum(0)

    def densest(self) -> Tensor:
        return torch.stack([log_mass.argmax(-1) for log_mass in self.log_masses], -1)

    def marginals(self) -> list[Tensor]:
        return [log_mass.exp() for log_mass in self.log_masses]

    def affine(self, scale: Tensor, shift: Tensor) -> "ProductGrid":
        origin, size = scale * self.origin + shift, scale * self.size
        return ProductGrid(self.log_masses, origin, size, self.offset, self.outside_share)

    def __getitem__(self, index: Any) -> "ProductGrid":
        origin, size, offset = (index_batch(part, index) for part in (self.origin, self.size, self.offset))
        log_masses = [index_batch(part, index) for part in self.log_masses]
        return ProductGrid(log_masses, origin, size, offset, self.outside_share)

    def _index_covariance(self) -> Tensor:
        variances = []
        for mass in self.marginals():
            cells = torch.arange(mass.shape[-1], dtype=mass.dtype, device=mass.device)
            variances.append((mass * (cells - (mass @ cells)[..., None]).square()).sum(-1))
        return torch.diag_embed(torch.stack(variances, -1))

    def _draw_cells(self, count: int) -> Tensor:
        drawn = []
        for mass in self.marginals():
            flat = mass.reshape(-1, mass.shape[-1])
            index = torch.multinomial(flat, max(count, 1), replacement=True)[:, :count]
            drawn.append(index.mT.reshape(count, *self.batch_shape))
        return torch.stack(drawn, -1)

    def _node_places(self, count: int) -> Tensor:
        uniform = uniform_nodes(count, len(self.log_masses)).to(self.counts)
        places = []
        for axis, mass in enumerate(self.marginals()):
            index, place = invert(mass, uniform[:, axis].expand(*self.batch_shape, count))
            places.append((index + place).movedim(-1, 0))
        return torch.stack(places, -1)

    def _weigh(self, per_axis: list[Tensor]) -> Tensor:
        sums = [(mass * factors).sum(-1) for mass, factors in zip(self.marginals(), per_axis, strict=True)]
        return torch.stack(sums).prod(0)

    def _denser(self, log_mass: Tensor) -> tuple[Tensor, Tensor]:
        # For every cell of the other axes: the bins of the longest axis that lift the product above the threshold.
        # One axis is walked and the third, if there is one, goes in one piece: memory for all at once may not be there.
        walked, *middle, longest = sorted(self.log_masses, key=lambda part: part.shape[-1])
        between = middle[0] if middle else torch.zeros_like(walked[..., :1])
        ranked = Ranked(longest)
        mass, share = torch.zeros_like(log_mass), torch.zeros_like(log_mass)
        for held in walked.unbind(-1):
            joint = held[..., None] + between
            above, cells = ranked.above((log_mass[..., None] - joint).movedim(0, -2).flatten(-2))
            shape = (*self.batch_shape, len(log_mass), between.shape[-1])
            mass = mass + (above.reshape(shape) * joint.exp()[..., None, :]).sum(-1).movedim(-1, 0)
            share = share + cells.reshape(shape).mean(-1).movedim(-1, 0) / walked.shape[-1]
        return mass, share
