"""Regressed keypoints moved to the peaks of the keypoints' own heat maps, where one is near."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.dense.decode import anchors, peaks
from poserior.dense.losses import gather

REACH = 0.3  # of the box's longer side
GROWN = 1.1  # predicted boxes cut off a hand or a foot now and then
SURE = 0.1
PEAKS = 100  # of each keypoint in a picture


class Refined(NamedTuple):
    """Keypoints after refinement.

    Attributes:
        points: ``(B, N, K, 2)`` cells.
        heat: ``(B, N, K)`` what the heat map says: at the peak that was moved to, else where the point lies; 0 outside
            of the picture.
        moved: ``(B, N, K)``.
    """

    points: Float[Tensor, "B N K 2"]
    heat: Float[Tensor, "B N K"]
    moved: Bool[Tensor, "B N K"]


def refine_points(
    points: Float[Tensor, "B N K 2"],
    centre: Float[Tensor, "B N 2"],
    size: Float[Tensor, "B N 2"],
    heat: Float[Tensor, "B K h w"],
    offset: Float[Tensor, "B 2 h w"],
    sure: float | int = SURE,
    reach: float | int = REACH,
    grown: float | int = GROWN,
) -> Refined:
    """Each point to the nearest peak of its keypoint's heat, if there is one to believe.

    A peak counts if its heat is above `sure`, it lies in the person's box made `grown` times as large, and it is
    within `reach` times the box's longer side of the regressed point. It lies at its cell's centre plus `offset`.

    The density stays what it was: the covariance that goes with a moved point is the regression's about its own mean,
    not a statement about the peak, and the expected OKS, taken at the moved point, falls with every step away from
    where the density is highest. Heat maps carry no calibrated spread to replace them with.

    Args:
        points: N people of each picture, cells from the grid's corner.
        centre: of their boxes, the same.
        size: of their boxes, cells.
        heat: probabilities.
        offset: from a cell's centre to a keypoint in it.
        sure: the least heat of a peak.
        reach: how far a point moves at most, per longer side of the box.
        grown: the box's enlargement.
    """
    (batch, people, count), (rows, columns) = points.shape[:3], heat.shape[-2:]
    score, _, cell = peaks(heat.flatten(0, 1)[:, None], PEAKS)
    score, cell = score.view(batch, count, -1), cell.view(batch, count, -1)
    moves = gather(offset, cell.flatten(1)).view(batch, count, -1, 2)
    peak = (anchors(cell.flatten(1), columns).view_as(moves) + moves)[:, None]  # (B, 1, K, P, 2)
    away = (peak - points[..., None, :]).square().sum(-1)
    inside = ((peak - centre[:, :, None, None]).abs() <= grown * size[:, :, None, None] / 2).all(-1)
    longest = reach * size.amax(-1)[:, :, None, None]
    counts = inside & (score > sure)[:, None] & (away <= longest.square())
    nearest, which = torch.where(counts, away, torch.inf).min(-1)
    moved = nearest.isfinite()

    index = which[..., None, None].expand(batch, people, count, 1, 2)
    at_peak = peak.expand(batch, people, *peak.shape[2:]).gather(3, index)[..., 0, :]
    peak_heat = score[:, None].expand(batch, people, *score.shape[1:]).gather(3, which[..., None])[..., 0]
    x, y = points.floor().unbind(-1)
    within = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    here = (y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)).long().transpose(1, 2)  # (B, K, N)
    own_heat = heat.flatten(2).gather(2, here).transpose(1, 2).where(within, 0.0)
    return Refined(torch.where(moved[..., None], at_peak, points), torch.where(moved, peak_heat, own_heat), moved)
