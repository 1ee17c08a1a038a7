"""Which anchor answers for whom: by OKS, all anchors of all levels with all people at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.areas import BOX_TO_AREA
from poserior.dense.point_set.anchors import AnchorGrid
from poserior.geometry import affine_zoom, box_area
from poserior.scenes import SceneBatch

LEAST = 0.01  # an anchor that resembles a person less says nothing about them, be it the best there is


@dataclass(frozen=True, eq=False)
class Matched:
    """What the T anchors of B pictures should say.

    Attributes:
        person: ``(B, T)`` whom the anchor answers for, where it is near.
        positive: ``(B, T)`` it stands on somebody.
        near: ``(B, T)`` its offsets are to be learnt: positive, or between the thresholds. Such an anchor's class is
            never told to be low, so it may well be found, and must then know where the person is.
        counts: ``(B, T)`` its class is to be learnt; False between the thresholds, in crowds and on unlabelled people.
    """

    person: Int[Tensor, "B T"]
    positive: Bool[Tensor, "B T"]
    near: Bool[Tensor, "B T"]
    counts: Bool[Tensor, "B T"]


def anchor_oks(
    grid: AnchorGrid,
    keypoints: Float[Tensor, "B N K 2"],
    labelled: Bool[Tensor, "B N K"],
    area: Float[Tensor, "B N"],
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
) -> Float[Tensor, "B N T"]:
    """OKS of every anchor with every person; 0 for people without labelled keypoints or without area.

    ``mean_k exp(-(dx_k^2 + dy_k^2) / (2 area (2 sigma_k)^2))``, and since the cells form a grid, each exponential is
    a factor of the column times a factor of the row: per anchor and person the map of all cells is one matrix product
    ``(h, K) (K, w)``. No distance of an anchor in a cell is ever worked out by itself.

    Args:
        grid: the anchors.
        keypoints: people in picture pixels.
        labelled: which keypoints count.
        area: square pixels of that same picture.
        oks_sigmas: COCO's constants.
    """
    sigmas = torch.as_tensor(oks_sigmas, dtype=keypoints.dtype, device=keypoints.device)
    number = labelled.sum(-1)
    useful = (number > 0) & (area > 0)
    share = labelled / number.clamp_min(1)[..., None] * useful[..., None]
    twice = 2 * torch.where(useful, area, 1.0)[..., None] * (2 * sigmas).square()
    points = torch.where(labelled[..., None], keypoints, 0.0)[:, :, None, :, None]
    twice, share = twice[:, :, None, :, None], share[:, :, None, :, None]
    maps = []
    for level, stride in enumerate(grid.strides):
        columns, rows = grid.axes(level)
        places_x = grid.anchors[..., 0, None] * stride + columns
        places_y = grid.anchors[..., 1, None] * stride + rows
        factor_x = share * torch.exp(-(places_x - points[..., 0]).square() / twice)
        factor_y = torch.exp(-(places_y - points[..., 1]).square() / twice)
        with torch.autocast(factor_x.device.type, enabled=False):
            maps.append((factor_y.mT @ factor_x).flatten(2))
    return torch.cat(maps, -1)


def match(
    similarity: Float[Tensor, "B N T"], quiet: Bool[Tensor, "B T"], positive: float = 0.5, negative: float = 0.4
) -> Matched:
    """Anchors to people: those of OKS `positive` or more, and everybody's best one.

    An anchor that suits several people answers for the one it suits best, but first for those whose best it is. Where
    two people have the same best anchor, the one it suits less goes without it.

    Args:
        similarity: see `anchor_oks`; 0 for people nobody should answer for.
        quiet: anchors that are not to learn "nobody", since somebody may be there.
        positive: this OKS makes an anchor answer.
        negative: below this, with everybody, the anchor learns "nobody"; between the two its class learns nothing.

    Raises:
        ValueError: not ``0 < negative <= positive``.
    """
    if not 0 < negative <= positive:
        raise ValueError(f"expected 0 < negative <= positive, found {negative} and {positive}; correct the thresholds")
    best, at = similarity.max(-1)
    own = torch.zeros_like(similarity).scatter(-1, at[..., None], 2.0 * (best >= LEAST)[..., None].to(similarity))
    top, person = (similarity + own).max(1)
    answers = top >= positive
    counts = answers | ((similarity.amax(1) < negative) & ~quiet)
    return Matched(person, answers, top >= negative, counts)


def unlearnable(grid: AnchorGrid, box_xyxy: Float[Tensor, "B R 4"]) -> Bool[Tensor, "B T"]:
    """The anchors whose cell's centre lies in one of these boxes (crowds, people without labels)."""
    maps = []
    for level in range(len(grid.shapes)):
        x, y = grid.axes(level)
        across = (x >= box_xyxy[..., 0, None]) & (x < box_xyxy[..., 2, None])
        down = (y >= box_xyxy[..., 1, None]) & (y < box_xyxy[..., 3, None])
        inside = (down[..., :, None] & across[..., None, :]).any(1)
        maps.append(inside[:, None].expand(-1, len(grid.anchors), -1, -1).flatten(1))
    return torch.cat(maps, -1)


def picture_area(batch: SceneBatch) -> Float[Tensor, "B N"]:
    """The people's areas in the pixels of the batch's pictures; without one `BOX_TO_AREA` of the box."""
    area = batch.area * affine_zoom(batch.affine).square().to(batch.area)[:, None]
    return torch.where(area > 0, area, BOX_TO_AREA * box_area(batch.box_xyxy).clamp_min(0))


def match_scene(
    grid: AnchorGrid,
    batch: SceneBatch,
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
    positive: float = 0.5,
    negative: float = 0.4,
) -> Matched:
    """`match` of a batch of pictures.

    Crowds, and people without labelled keypoints or any extent, are answered for by no anchor, and no
    anchor in their boxes learns "nobody".
    """
    area = picture_area(batch)
    labelled = (batch.visibility > 0) & batch.present[..., None]
    similarity = anchor_oks(grid, batch.keypoints, labelled, area, oks_sigmas)
    idle = batch.present & ~(labelled.any(-1) & (area > 0))
    boxes = torch.cat([batch.crowd_xyxy, torch.where(idle[..., None], batch.box_xyxy, 0.0)], 1)
    return match(similarity, unlearnable(grid, boxes), positive, negative)
