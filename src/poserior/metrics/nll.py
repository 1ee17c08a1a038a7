"""Negative log-likelihood of the labels under the predicted density."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions import Distribution
from poserior.metrics.base import Visibility, expect_shape, masked_mean


def keypoint_nll(
    distribution: Distribution, target: Float[Tensor, "N K D"], visibility: Visibility
) -> Float[Tensor, "N K"]:
    """``-log p(target)`` of every labelled keypoint in nats, not a number where not labelled.

    The unit of length is that of the density: crop-normalised coordinates for a head's answer.
    """
    expect_shape("target", target, (*distribution.batch_shape, *distribution.event_shape), "as the density")
    expect_shape("visibility", visibility, distribution.batch_shape, "people, keypoints")
    labelled = visibility > 0
    # The label is replaced before the density sees it: masking afterwards would leave gradients that are no numbers.
    safe = torch.where(labelled[..., None], target, distribution.mode.detach())
    return -distribution.log_prob(safe).masked_fill(~labelled, torch.nan)


def nll(distribution: Distribution, target: Float[Tensor, "N K D"], visibility: Visibility) -> Float[Tensor, ""]:
    """Mean of `keypoint_nll` over the labelled keypoints: nats per keypoint (not per coordinate), lower is better.

    Args:
        distribution: ``batch_shape (N, K)``, ``event_shape (D,)``.
        target: labels in the coordinates of the density.
        visibility: ``(N, K)``, COCO's 0/1/2 or a mask.

    Raises:
        ValueError: a shape does not fit the density's.
    """
    return masked_mean(keypoint_nll(distribution, target, visibility), visibility)
