"""What every cell of the network's grid should say about a batch of pictures."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.scenes import DenseTarget, SceneBatch

MIN_OVERLAP = 0.7


def dense_targets(batch: SceneBatch, num_categories: int, stride: int, refine: bool = True) -> DenseTarget:
    """The targets of a batch, on the batch's device; no loop over objects.

    An object is learnt in the cell that its box's centre falls into. Around it the heat falls off as a Gaussian, whose
    radius grows with the box (`gaussian_radius`): neighbours are nearly right and should not be punished in full.
    Objects without extent, or with their centre outside the picture, are not present. Objects whose boxes count but
    whose keypoints nobody labelled have `labelled` false throughout.

    Source: Zhou et al., "Objects as points", 2019, sections 3 and 4.

    Args:
        batch: pictures and their objects.
        num_categories: C.
        stride: picture pixels per cell; the pictures' sides are multiples of it.
        refine: keypoint heat too, which costs more than all the rest.
    """
    height, width = batch.images.shape[-2] // stride, batch.images.shape[-1] // stride
    boxes = batch.box_xyxy / stride
    size = boxes[..., 2:] - boxes[..., :2]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    present = batch.present & (size > 0).all(-1) & _inside(centre, width, height)
    centre = torch.where(present[..., None], centre, 0.5)
    size = torch.where(present[..., None], size, 0.0)
    cells = centre.floor()
    radius = torch.where(present, gaussian_radius(size).floor(), -1.0)  # below 0: no bump at all
    heat = by_category(bumps(cells, radius, height, width), batch.category, num_categories)

    points = batch.keypoints / stride
    labelled = (batch.visibility > 0) & present[..., None]
    inside = labelled & _inside(points, width, height)
    own = torch.where(inside[..., None], points, 0.5)
    own_cells = own.floor()
    return DenseTarget(
        heat=heat,
        counts=_counts(batch.crowd_xyxy / stride, heat),
        cell=_flat(cells, width),
        category=batch.category,
        present=present,
        offset=centre - cells - 0.5,
        size=size,
        points=torch.where(labelled[..., None], points - (cells + 0.5)[..., None, :], 0.0),
        labelled=labelled,
        keypoint_heat=_keypoint_heat(own_cells, torch.where(inside, radius[..., None], -1.0), height, width)
        if refine
        else None,
        keypoint_cell=_flat(own_cells, width),
        keypoint_offset=own - own_cells - 0.5,
        keypoint_inside=inside,
    )


def gaussian_radius(size: Float[Tensor, "*B 2"], min_overlap: float = MIN_OVERLAP) -> Float[Tensor, "*B"]:
    """How far a box's corners may move before it counts as another one, as CenterNet's public code computes it.

    The larger root of ``r^2 + 2 o (w + h) r - 4 o (1 - o) w h = 0``, with o the least IoU. Solving for the overlaps
    exactly would give about a third of it; the published results were made with this one.

    Args:
        size: ``(width, height)``, not negative.
        min_overlap: o.

    >>> round(gaussian_radius(torch.tensor([20.0, 10.0])).item(), 3)  # sqrt(21^2 + 0.84 * 200) - 21
    3.678
    """
    half, product = min_overlap * size.sum(-1), 4 * min_overlap * (1 - min_overlap) * size.prod(-1)
    return (half.square() + product).sqrt() - half


def bumps(
    cell: Float[Tensor, "B N 2"], radius: Float[Tensor, "B N"], height: int, width: int
) -> Float[Tensor, "B N h w"]:
    """``exp(-d^2 / (2 s^2))`` with ``s = (2 r + 1) / 6`` in the square of side ``2 r + 1`` about a cell, else 0.

    Args:
        cell: ``(x, y)`` whole numbers.
        radius: r, whole numbers; negative for no bump.
        height: of the grid.
        width: of the grid.
    """

    def along(place: Tensor, count: int) -> Tensor:
        away = torch.arange(count, device=cell.device, dtype=cell.dtype) - place[..., None]
        spread = ((2 * radius + 1) / 6)[..., None]
        return torch.exp(-0.5 * (away / spread).square()) * (away.abs() <= radius[..., None])

    return along(cell[..., 1], height)[..., :, None] * along(cell[..., 0], width)[..., None, :]


def by_category(
    heat: Float[Tensor, "B N h w"], category: Int[Tensor, "B N"], num_categories: int
) -> Float[Tensor, "B C h w"]:
    """Each category's highest bump in every cell."""
    batch, _, height, width = heat.shape
    flat = heat.flatten(2)
    index = category[..., None].expand_as(flat)
    found = flat.new_zeros(batch, num_categories, height * width).scatter_reduce(1, index, flat, "amax")
    return found.reshape(batch, num_categories, height, width)


def _keypoint_heat(
    cell: Float[Tensor, "B N K 2"], radius: Float[Tensor, "B N K"], height: int, width: int
) -> Float[Tensor, "B K h w"]:
    # One keypoint after the other: all at once would hold K times the memory.
    maps = [bumps(cell[:, :, k], radius[:, :, k], height, width).amax(1) for k in range(cell.shape[2])]
    return torch.stack(maps, 1) if maps else cell.new_zeros(cell.shape[0], 0, height, width)


def _counts(crowd_xyxy: Float[Tensor, "B R 4"], heat: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    height, width = heat.shape[-2:]

    def covered(low: Tensor, high: Tensor, count: int) -> Tensor:
        middle = torch.arange(count, device=heat.device, dtype=heat.dtype) + 0.5
        return (middle > low[..., None]) & (middle < high[..., None])

    rows = covered(crowd_xyxy[..., 1], crowd_xyxy[..., 3], height)
    columns = covered(crowd_xyxy[..., 0], crowd_xyxy[..., 2], width)
    crowded = (rows[..., :, None] & columns[..., None, :]).any(1)
    return (~crowded[:, None] | (heat == 1)).to(heat.dtype)


def _inside(points: Float[Tensor, "*B 2"], width: int, height: int) -> Bool[Tensor, "*B"]:
    x, y = points.unbind(-1)
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def _flat(cell: Float[Tensor, "*B 2"], width: int) -> Int[Tensor, "*B"]:
    return (cell[..., 1] * width + cell[..., 0]).long()
