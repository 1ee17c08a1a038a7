"""From the network's maps to the best candidates; every step on whole batches."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.dense.choices import Choice, choose
from poserior.dense.heads import DenseHead
from poserior.dense.losses import gather
from poserior.distributions import Distribution
from poserior.scenes import Candidates, Maps


def peaks(
    heat: Float[Tensor, "B C h w"], count: int
) -> tuple[Float[Tensor, "B N"], Int[Tensor, "B N"], Int[Tensor, "B N"]]:
    """The highest cells of each picture that no neighbour (of eight) of the same category surpasses.

    Args:
        heat: probabilities.
        count: how many at most; fewer on a grid with fewer cells. Where there are fewer peaks, the rest scores 0.

    Returns:
        Score, category and flat cell ``(B, N)``, best first.
    """
    highest = torch.nn.functional.max_pool2d(heat, 3, stride=1, padding=1)
    flat = torch.where(heat == highest, heat, 0.0).flatten(1)
    cells = heat.shape[-2] * heat.shape[-1]
    score, place = flat.topk(min(count, flat.shape[1]), dim=1)
    return score, place // cells, place % cells


def anchors(cell: Int[Tensor, "B N"], width: int) -> Float[Tensor, "B N 2"]:
    """The cells' centres on the grid.

    >>> anchors(torch.tensor([[0, 7]]), 5).tolist()
    [[[0.5, 0.5], [2.5, 1.5]]]
    """
    return torch.stack([cell % width, cell // width], -1) + 0.5


def candidates(maps: Maps, head: DenseHead, count: int = 100, choice: Choice = "best") -> Candidates:
    """The best-scored centres of each picture with their boxes and densities.

    Args:
        maps: what the network says.
        head: whose density it is.
        count: how many per picture.
        choice: which point of the density is the answer, see `poserior.dense.choices.choose`.
    """
    score, category, cell = peaks(maps.centre.float().sigmoid(), count)
    density = head.density(gather(maps.density.float(), cell))
    offset = gather(maps.offset.float(), cell)
    size = None if maps.size is None else gather(maps.size.float(), cell)
    place = anchors(cell, maps.centre.shape[-1])
    return assemble(head, density, choice, (score, category, cell), place, place + offset, size)


def assemble(
    head: DenseHead,
    density: Distribution,
    choice: Choice,
    found: tuple[Float[Tensor, "B N"], Int[Tensor, "B N"], Int[Tensor, "B N"]],
    anchor: Float[Tensor, "B N 2"],
    centre: Float[Tensor, "B N 2"],
    size: Float[Tensor, "B N 2"] | None,
) -> Candidates:
    """The record, with the density's answer in it; a box's size is never below a hundredth of a cell.

    Args:
        head: whose density it is.
        density: relative to `anchor`.
        choice: see `poserior.dense.choices.choose`.
        found: what `peaks` gave.
        anchor: the cells' centres on the grid.
        centre: the boxes' centres there.
        size: the boxes' width and height; None where the density is of those.
    """
    score, category, cell = found
    component, points = choose(head, density, choice)
    if size is None:
        size, points = points[..., 0, :], points[..., :0, :]
    else:
        points = points + anchor[..., None, :]
    return Candidates(
        score=score,
        category=category,
        cell=cell,
        anchor=anchor,
        centre=centre,
        size=size.clamp(min=0.01),
        density=density,
        component=component,
        points=points,
    )
