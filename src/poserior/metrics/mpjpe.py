"""Errors in space: mean distance of joints, the same after the best similarity, and of a surface's vertices."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, expect_shape, keypoint_distance, masked_mean


def mpjpe(
    preds: Float[Tensor, "N J 3"],
    target: Float[Tensor, "N J 3"],
    visibility: Visibility | None = None,
    root: int | tuple[int, ...] | None = None,
) -> Float[Tensor, ""]:
    """Mean per-joint position error, ``mean |preds - target|`` over the joints of all people, in the inputs' unit.

    Args:
        preds: predicted joints.
        target: true joints in the same frame and unit.
        visibility: ``(N, J)``, which joints count; all by default.
        root: a joint (or several: their mean) that is put on its target first; usually the pelvis or both hips.

    >>> preds = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]]])
    >>> target = torch.zeros(1, 2, 3)
    >>> round(mpjpe(preds, target).item(), 3), round(mpjpe(preds, target, root=1).item(), 3)
    (3.0, 2.55)
    """
    counts = _counts(preds, visibility)
    if root is not None:
        joints = [root] if isinstance(root, int) else list(root)
        preds = preds - preds[:, joints].mean(1, keepdim=True)
        target = target - target[:, joints].mean(1, keepdim=True)
    return masked_mean(keypoint_distance(preds, target, counts), counts)


def pa_mpjpe(
    preds: Float[Tensor, "N J 3"], target: Float[Tensor, "N J 3"], visibility: Visibility | None = None
) -> Float[Tensor, ""]:
    """`mpjpe` after `procrustes`: what remains when place, turn and size are forgiven ("reconstruction error").

    Args:
        preds: predicted joints.
        target: true joints in the same unit.
        visibility: ``(N, J)``, which joints count, in the alignment too; all by default.
    """
    counts = _counts(preds, visibility)
    return masked_mean(keypoint_distance(procrustes(preds, target, counts), target, counts), counts)


def vertex_error(preds: Float[Tensor, "N V 3"], target: Float[Tensor, "N V 3"]) -> Float[Tensor, ""]:
    """Mean distance of corresponding vertices of two meshes (PVE), in the inputs' unit."""
    return mpjpe(preds, target)


def procrustes(
    preds: Float[Tensor, "N J 3"], target: Float[Tensor, "N J 3"], visibility: Visibility | None = None
) -> Float[Tensor, "N J 3"]:
    """Each person's joints under the similarity ``s R x + t`` (no mirror) of least squared distance to the target.

    In closed form (Umeyama, "Least-squares estimation of transformation parameters", 1991).

    Args:
        preds: predicted joints.
        target: true joints.
        visibility: ``(N, J)``, which joints decide; all by default.

    Returns:
        `preds`, moved; also the joints that do not count.
    """
    counts = _counts(preds, visibility)
    keypoint_distance(preds, target, counts)  # the shapes are checked there
    keep = (counts > 0)[..., None]
    number = keep.sum(1, keepdim=True).clamp_min(1)
    x, y = (torch.where(keep, points.double(), 0) for points in (preds, target))
    centre_x, centre_y = x.sum(1, keepdim=True) / number, y.sum(1, keepdim=True) / number
    x, y = (x - centre_x) * keep, (y - centre_y) * keep
    u, values, vt = torch.linalg.svd(y.mT @ x)
    sign = torch.ones_like(values)
    sign[:, 2] = torch.sign(torch.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (values * sign).sum(1) / x.square().sum((1, 2)).clamp_min(1e-300)
    moved: Tensor = scale[:, None, None] * (preds.double() - centre_x) @ rotation.mT + centre_y
    return moved.to(preds.dtype)


def _counts(preds: Float[Tensor, "N J 3"], visibility: Visibility | None) -> Visibility:
    if visibility is None:
        return torch.ones(preds.shape[:2], dtype=torch.bool, device=preds.device)
    expect_shape("visibility", visibility, preds.shape[:2], "people, joints")
    return visibility
