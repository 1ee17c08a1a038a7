"""What one pass over one batch has found, in pixels of the original pictures, with what it is worth."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.areas import BOX_TO_AREA
from poserior.calibration import expected_oks, instance_confidence
from poserior.dense.expected_iou import expected_iou
from poserior.dense.heads import DenseHead
from poserior.dense.refine import refine_points
from poserior.distributions import Distribution
from poserior.geometry import box_area
from poserior.scenes import Candidates, Maps
from poserior.skeletons import Skeleton

Score = Literal["expected", "centre"]


@dataclass(frozen=True, eq=False)
class Found:
    """The N best candidates of each of B pictures, best centre first; pixels of the original pictures, on the CPU.

    J is K, the keypoints; 1 where only boxes are predicted, whose one point is ``(width, height)``.

    Attributes:
        score: ``(B, N)`` what results are ranked by: `centre_score`, times the expected OKS or IoU if that is wanted.
        centre_score: ``(B, N)``.
        category: ``(B, N)``.
        component: ``(B, N)``.
        box_xyxy: ``(B, N, 4)``.
        points: ``(B, N, J, 2)`` the answer.
        confidence: ``(B, N, J)`` its expected OKS or IoU under the density.
        visibility: ``(B, N, J)``: the keypoints' heat where they were refined, else 1, for nothing else is known.
        covariance: ``(B, N, J, 2, 2)`` the density's.
        weights: ``(B, N, M)`` of its modes.
        modes: ``(B, N, M, J, 2)``.
        law: the density, ``batch_shape (B, N, J)``; on the model's device.
    """

    score: Float[Tensor, "B N"]
    centre_score: Float[Tensor, "B N"]
    category: Int[Tensor, "B N"]
    component: Int[Tensor, "B N"]
    box_xyxy: Float[Tensor, "B N 4"]
    points: Float[Tensor, "B N J 2"]
    confidence: Float[Tensor, "B N J"]
    visibility: Float[Tensor, "B N J"]
    covariance: Float[Tensor, "B N J 2 2"]
    weights: Float[Tensor, "B N M"]
    modes: Float[Tensor, "B N M J 2"]
    law: Distribution


def in_pictures(
    found: Candidates,
    maps: Maps,
    head: DenseHead,
    skeleton: Skeleton | None,
    pixels: Float[Tensor, "B"],
    origin: Float[Tensor, "B 2"],
    refine: bool,
    score: Score,
) -> Found:
    """Candidates, refined if wanted, brought from cells to pixels of the original pictures and judged.

    A keypoint's confidence is its expected OKS, with the area of the object for `BOX_TO_AREA` of its predicted box's.

    Args:
        found: what decoding gave; those that nobody wants should be cut off before.
        maps: with keypoint heat, if `refine`.
        head: whose density it is.
        skeleton: None for boxes.
        pixels: how many of the picture's pixels a cell is wide.
        origin: where the grid's corner lies in the picture.
        refine: move keypoints to the peaks of their heat.
        score: rank by the centre alone, or by what can be expected too.
    """
    density = found.density
    assert isinstance(density, Distribution)  # the record knows torch's alone
    scale, shift = pixels[:, None, None].to(found.centre), origin[:, None].to(found.centre)
    middle, half = found.centre * scale + shift, found.size * scale / 2
    box_xyxy = torch.cat([middle - half, middle + half], -1)
    if skeleton is None:
        law = _moved(density, scale, torch.zeros_like(middle))
        modes = head.modes(density) * scale[..., None, None]
        points = 2 * half[..., None, :]
        confidence = expected_iou(law, points)
        visibility = torch.ones_like(confidence)
    else:
        law = _moved(density, scale, found.anchor * scale + shift)
        modes = (head.modes(density) + found.anchor[..., None, None, :]) * scale[..., None, None]
        modes = modes + shift[..., None, None, :]
        points, heat = found.points, torch.ones_like(found.points[..., 0])
        if refine:
            assert maps.keypoint_heat is not None  # the predictor has asked the model
            assert maps.keypoint_offset is not None
            probability, offset = maps.keypoint_heat.float().sigmoid(), maps.keypoint_offset.float()
            points, heat, _ = refine_points(points, found.centre, found.size, probability, offset)
        points = points * scale[..., None] + shift[..., None, :]
        confidence = expected_oks(law, BOX_TO_AREA * box_area(box_xyxy), skeleton.oks_sigmas, points)
        visibility = heat
    judged = found.score * instance_confidence(confidence, visibility) if score == "expected" else found.score
    parts = {
        "score": judged,
        "centre_score": found.score,
        "category": found.category,
        "component": found.component,
        "box_xyxy": box_xyxy,
        "points": points,
        "confidence": confidence,
        "visibility": visibility,
        "covariance": law.covariance,
        "weights": head.weights(density),
        "modes": modes,
    }
    return Found(**{name: value.cpu() for name, value in parts.items()}, law=law)


def cut(found: Candidates, count: int) -> Candidates:
    """The `count` best of each picture."""
    parts = {name: value[:, :count] for name, value in vars(found).items() if isinstance(value, Tensor)}
    assert isinstance(found.density, Distribution)
    return Candidates(**parts, density=found.density[:, :count])


def _moved(density: Distribution, scale: Float[Tensor, "B 1 1"], shift: Float[Tensor, "B N 2"]) -> Distribution:
    shape = (*density.batch_shape, 2)
    return density.affine(scale[..., None].expand(shape), shift[..., None, :].expand(shape))
