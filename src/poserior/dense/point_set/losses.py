"""The two losses of anchors: who stands on a person, and where the person's keypoints are."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from poserior.dense.point_set.matching import Matched


def class_loss(
    logits: Float[Tensor, "B T"], matched: Matched, alpha: float = 0.25, gamma: float | int = 2.0
) -> Float[Tensor, ""]:
    """Focal loss over the anchors that count, divided by the number of positive ones (at least 1).

    ``- alpha_t (1 - p_t)^gamma log p_t`` with ``p_t = p, alpha_t = alpha`` on positive anchors and ``1 - p, 1 - alpha``
    on the others. Source: Lin et al., "Focal loss for dense object detection", ICCV 2017.
    """
    loss = sigmoid_focal_loss(logits, matched.positive.to(logits), alpha=alpha, gamma=gamma)
    return torch.where(matched.counts, loss, 0.0).sum() / matched.positive.sum().clamp_min(1)


def draw_near(matched: Matched, most: int) -> tuple[Int[Tensor, "B S"], Bool[Tensor, "B S"]]:
    """Anchors whose offsets are learnt: the near ones, of more than `most` in a picture a random choice.

    Returns:
        Their numbers, S at most `most`, and which of them are near: the rest fills up.
    """
    count = int(matched.near.sum(1).amax().clamp(1, most))
    chance = torch.rand(matched.near.shape, device=matched.near.device)
    drawn = torch.where(matched.near, 1 + chance, chance).topk(min(count, chance.shape[1]), 1)
    return drawn.indices, drawn.values >= 1


def mean_over_labelled(loss: Float[Tensor, "B S K"], labelled: Bool[Tensor, "B S K"]) -> Float[Tensor, ""]:
    """The mean over labelled keypoints; 0 (with a gradient of 0) without any."""
    return torch.where(labelled, loss, 0.0).sum() / labelled.sum().clamp_min(1)
