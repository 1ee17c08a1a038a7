"""Percentage of correct keypoints, and its head-sized sister of MPII."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, expect_shape, keypoint_distance, masked_mean


def _relative(
    preds: Float[Tensor, "N K D"], target: Float[Tensor, "N K D"], size: Float[Tensor, "N"], visibility: Visibility
) -> Float[Tensor, "N K"]:
    """Distance over the person's size, in float64; not a number where not labelled."""
    distance = keypoint_distance(preds.double(), target.double(), visibility)
    expect_shape("size", size, preds.shape[:1], "people")
    measured = size[(visibility > 0).any(1)]
    if not bool((measured > 0).all()):
        raise ValueError(
            f"expected positive sizes of all people with labelled keypoints, found {float(measured.min())};"
            " leave those people out or measure them"
        )
    return distance / size.double()[:, None]


def pck(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    size: Float[Tensor, "N"],
    visibility: Visibility,
    threshold: float = 0.2,
) -> Float[Tensor, ""]:
    """The share, in [0, 1], of labelled keypoints with ``distance <= threshold * size``.

    All labelled keypoints of all people weigh the same. A prediction that is not a number is wrong.

    Args:
        preds: predicted points.
        target: labels in the same unit.
        size: what the distance is measured in, one positive number per person: the head, the torso or the box.
        visibility: ``(N, K)``, COCO's 0/1/2 or a mask.
        threshold: the share of `size` that is still correct.

    Raises:
        ValueError: a shape does not fit or a size is not positive.

    >>> preds = torch.tensor([[[0.0, 2.0], [0.0, 3.0], [9.0, 9.0]]])
    >>> pck(preds, torch.zeros(1, 3, 2), torch.tensor([10.0]), torch.tensor([[2, 1, 0]]), threshold=0.2).item()
    0.5
    """
    correct = _relative(preds, target, size, visibility) <= threshold
    return masked_mean(correct.double(), visibility).to(preds.dtype)


def pck_per_keypoint(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    size: Float[Tensor, "N"],
    visibility: Visibility,
    threshold: float = 0.2,
) -> Float[Tensor, "K"]:
    """`pck` of each keypoint; not a number for one that is never labelled."""
    correct = _relative(preds, target, size, visibility) <= threshold
    return masked_mean(correct.double(), visibility, dim=0).to(preds.dtype)


def pckh(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    head_size: Float[Tensor, "N"],
    visibility: Visibility,
    threshold: float = 0.5,
) -> Float[Tensor, ""]:
    """`pck` in units of the head, MPII's measure (Andriluka et al., "2D Human Pose Estimation", 2014).

    MPII's head size is 0.6 times the diagonal of the head box. The published mean leaves out pelvis and thorax and
    weighs every labelled keypoint the same: select the 14 others before the call.
    """
    return pck(preds, target, head_size, visibility, threshold)


def auc(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    size: Float[Tensor, "N"],
    visibility: Visibility,
    threshold: float = 0.5,
) -> Float[Tensor, ""]:
    """Area under the curve of `pck` from 0 to `threshold`, divided by `threshold`; in [0, 1].

    Exact, not on a grid of thresholds: ``mean(max(0, 1 - distance / (size threshold)))``. Tools that average `pck` on a
    grid differ by half a grid step or so.
    """
    relative = _relative(preds, target, size, visibility)
    # an answer that is not a number is right at no threshold
    return masked_mean((1 - relative.nan_to_num(nan=torch.inf) / threshold).clamp_min(0), visibility).to(preds.dtype)
