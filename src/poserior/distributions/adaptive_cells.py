"""A product grid on the unit cube, one per batch item, drawn closer where the mass is."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Cells(NamedTuple):
    """A law on the unit cube that is constant in each of the ``n^D`` cells of a product grid.

    Attributes:
        edges: ``(*batch, D, n + 1)`` from 0 to 1, rising.
        mass: ``(*batch, n^D)``, summing to 1; the last axis of the cube runs fastest.
    """

    edges: Tensor
    mass: Tensor

    @property
    def table(self) -> Tensor:
        """The masses as ``(*batch, n, ..., n)``."""
        dim, count = self.edges.shape[-2], self.edges.shape[-1] - 1
        return self.mass.reshape(*self.mass.shape[:-1], *[count] * dim)


def even_edges(count: int, like: Float[Tensor, "*B D"]) -> Tensor:
    """``(*batch, D, count + 1)``: equal cells for every item."""
    axis = torch.linspace(0, 1, count + 1, dtype=like.dtype, device=like.device)
    return axis.expand(*like.shape, count + 1)


def centres(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Midpoints ``(n^D, *batch, D)`` of all cells and the logarithm of their volumes ``(n^D, *batch)``."""
    middles, widths = (edges[..., 1:] + edges[..., :-1]) / 2, edges.diff(dim=-1)
    return product(middles), product(widths.log()).sum(-1)


def product(axes: Tensor) -> Tensor:
    """Values per axis ``(*batch, D, n)`` to values per cell ``(n^D, *batch, D)``."""
    dim, count = axes.shape[-2:]
    index = torch.cartesian_prod(*[torch.arange(count, device=axes.device)] * dim).reshape(-1, dim)
    return torch.stack([axes[..., d, index[:, d]].movedim(-1, 0) for d in range(dim)], -1)


def refined_edges(cells: Cells, count: int) -> Tensor:
    """Edges of `count` cells per axis: half evenly, half by the root of the marginal density (as VEGAS does)."""
    dim, coarse = cells.edges.shape[-2], cells.edges.shape[-1] - 1
    table = cells.table
    batch = table.ndim - dim
    marginals = torch.stack(
        [table.sum([batch + a for a in range(dim) if a != d]) if dim > 1 else table for d in range(dim)], -2
    )
    padded = torch.cat([marginals[..., :1], marginals, marginals[..., -1:]], -1)
    smooth = (padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]) / 4
    width = cells.edges.diff(dim=-1)
    damped = width * (smooth / width).sqrt()  # flanks need cells too
    share = 0.5 * width + 0.5 * damped / damped.sum(-1, keepdim=True)
    total = share.cumsum(-1)
    start = total - share
    target = torch.linspace(0, 1, count + 1, dtype=share.dtype, device=share.device)
    target = target.expand(*share.shape[:-1], count + 1).contiguous()
    place = torch.searchsorted(total.contiguous(), target).clamp(max=coarse - 1)
    part = ((target - start.gather(-1, place)) / share.gather(-1, place)).clamp(0, 1)
    edges = cells.edges[..., :-1].gather(-1, place) + part * cells.edges.diff(dim=-1).gather(-1, place)
    return torch.cat([torch.zeros_like(edges[..., :1]), edges[..., 1:-1], torch.ones_like(edges[..., :1])], -1)


def integrate(edges: Tensor, log_value: Callable[[Tensor], Tensor]) -> tuple[Tensor, Cells]:
    """Midpoint rule: the logarithm of the integral of ``exp log_value`` over the cube ``(*batch)``, and its law."""
    points, log_volume = centres(edges)
    log_mass = log_value(points) + log_volume
    return log_mass.logsumexp(0), Cells(edges, log_mass.softmax(0).movedim(0, -1))


def spread_out(cells: Cells, uniform: Float[Tensor, "M *B D"]) -> Float[Tensor, "M *B D"]:
    """Uniform points of the cube to points of the law, axis by axis: random ones to draws, even ones to even ones."""
    dim, count = cells.edges.shape[-2], cells.edges.shape[-1] - 1
    shape = uniform.shape
    table = cells.table.reshape(-1, *[count] * dim)
    edges = cells.edges.reshape(-1, dim, count + 1)
    asked = uniform.reshape(shape[0], -1, dim).permute(1, 2, 0).contiguous()  # (N, D, M)
    item = torch.arange(len(table), device=uniform.device)[:, None]
    before: list[Tensor] = []
    points = []
    for d in range(dim):
        marginal = table.flatten(d + 2).sum(-1) if d + 1 < dim else table
        row = marginal[(item, *before)] if before else marginal[:, None].expand(-1, asked.shape[-1], -1)
        total = row.cumsum(-1)
        wanted = asked[:, d, :, None] * total[..., -1:]
        cell = torch.searchsorted(total.contiguous(), wanted.contiguous(), right=True).clamp(max=count - 1)
        mass = row.gather(-1, cell)
        part = ((wanted - total.gather(-1, cell) + mass) / mass.clamp(min=torch.finfo(mass.dtype).tiny)).clamp(0, 1)
        low, width = edges[:, d, :-1], edges[:, d].diff(dim=-1)
        cell = cell[..., 0]
        points.append(low.gather(-1, cell) + part[..., 0] * width.gather(-1, cell))
        before.append(cell)
    return torch.stack(points, -1).transpose(0, 1).reshape(shape)
