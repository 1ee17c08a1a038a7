"""Object keypoint similarity: the accuracy of a pose in [0, 1]."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, expect_shape, keypoint_distance, masked_mean


def keypoint_oks(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    area: Float[Tensor, "N"],
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
    visibility: Visibility,
) -> Float[Tensor, "N K"]:
    """``OKS_k = exp(-d_k^2 / (2 area (2 sigma_k)^2))``, not a number where the keypoint is not labelled.

    Args:
        preds: predicted points, in pixels.
        target: labels, in the same pixels.
        area: the objects' areas in square pixels (COCO: the mask's, not the box's).
        oks_sigmas: COCO's constants, one per keypoint; `Skeleton.oks_sigmas`.
        visibility: ``(N, K)``, COCO's 0/1/2 or a mask.

    Raises:
        ValueError: a shape does not fit, or an area is negative.

    >>> at = torch.zeros(1, 1, 2)
    >>> keypoint_oks(at + torch.tensor([3.0, 4.0]), at, torch.tensor([50.0]), [0.5], torch.tensor([[2]])).item()
    0.7788007855415344
    """
    distance = keypoint_distance(preds, target, visibility)
    expect_shape("area", area, preds.shape[:1], "people")
    sigmas = torch.as_tensor(oks_sigmas, dtype=preds.dtype, device=preds.device)
    expect_shape("oks_sigmas", sigmas, preds.shape[1:2], "keypoints")
    if bool((area < 0).any()):
        raise ValueError(f"expected areas of 0 or more, found {float(area.min())}; correct them")
    # the tiny constant is COCO's: an object without area is matched by an exact answer alone
    two_widths_squared = 2 * (2 * sigmas).square() * (area.to(preds.dtype) + torch.finfo(torch.float64).eps)[:, None]
    return torch.exp(-distance.square() / two_widths_squared)


def oks(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    area: Float[Tensor, "N"],
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
    visibility: Visibility,
) -> Float[Tensor, "N"]:
    """Mean of `keypoint_oks` over each person's labelled keypoints; not a number for a person without any.

    Arguments and errors are those of `keypoint_oks`. Lin et al., "Microsoft COCO", 2014, keypoint evaluation.
    """
    return masked_mean(keypoint_oks(preds, target, area, oks_sigmas, visibility), visibility, dim=1)
