"""Soft suppression of duplicates: a box that overlaps a better one loses score instead of being dropped."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

SoftNms = Literal["gaussian", "linear"]


def pairwise_iou(box_xyxy: Float[Tensor, "*B N 4"]) -> Float[Tensor, "*B N N"]:
    """Every box's intersection over union with every other; empty boxes have none with any."""
    low = torch.maximum(box_xyxy[..., :, None, :2], box_xyxy[..., None, :, :2])
    high = torch.minimum(box_xyxy[..., :, None, 2:], box_xyxy[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area = (box_xyxy[..., 2:] - box_xyxy[..., :2]).clamp(min=0).prod(-1)
    whole = area[..., :, None] + area[..., None, :] - shared
    return torch.where(shared > 0, shared / torch.where(whole > 0, whole, 1.0), 0.0)


def soft_nms(
    box_xyxy: Float[Tensor, "*B N 4"],
    score: Float[Tensor, "*B N"],
    category: Int[Tensor, "*B N"],
    method: SoftNms = "gaussian",
    sigma: float | int = 0.5,
    threshold: float | int = 0.5,
) -> Float[Tensor, "*B N"]:
    """The scores after soft suppression, in the order of the boxes.

    The best-scored box is taken; every box that is not taken yet and is of its category is multiplied by
    ``exp(-iou^2 / sigma)`` (Gaussian), or by ``1 - iou`` where the overlap is above `threshold` (linear); and so on
    with what is left. All pictures go at once, and all their categories; each step is one choice per picture.

    Source: Bodla et al., "Soft-NMS: improving object detection with one line of code", ICCV 2017.

    Args:
        box_xyxy: N boxes of each picture, any unit.
        score: not negative; of equal scores the first box is taken first.
        category: boxes of different ones leave each other alone.
        method: how scores fall.
        sigma: of the Gaussian.
        threshold: of the linear method.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0], [9.0, 9.0, 11.0, 11.0]])
    >>> soft_nms(boxes, torch.tensor([0.5, 1.0, 0.75]), torch.zeros(3, dtype=torch.int64), "linear").tolist()
    [0.125, 1.0, 0.75]
    """
    overlap = pairwise_iou(box_xyxy)
    decay = (-overlap.square() / sigma).exp() if method == "gaussian" else 1 - overlap.where(overlap > threshold, 0.0)
    decay = torch.where(category[..., :, None] == category[..., None, :], decay, 1.0)
    score, taken = score.clone(), torch.zeros_like(score, dtype=torch.bool)
    for _ in range(score.shape[-1]):
        best = score.masked_fill(taken, -1.0).argmax(-1, keepdim=True)
        taken.scatter_(-1, best, True)
        row = decay.gather(-2, best[..., None].expand(*best.shape, decay.shape[-1]))[..., 0, :]
        score = torch.where(taken, score, score * row)
    return score
