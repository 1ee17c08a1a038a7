"""Reliability: among the answers of confidence c, is the accuracy c?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.metrics.base import Visibility, labelled_values


@dataclass(frozen=True, eq=False)
class Reliability:
    """The points of a reliability diagram, one per bin; not a number in an empty bin."""

    confidence: Float[Tensor, "bins"]
    accuracy: Float[Tensor, "bins"]
    count: Int[Tensor, "bins"]


def reliability(
    confidence: Float[Tensor, "..."],
    accuracy: Float[Tensor, "..."],
    visibility: Visibility | None = None,
    bins: int = 10,
) -> Reliability:
    """Mean confidence, mean accuracy and number of answers in equal bins of confidence over [0, 1].

    A confidence on the border of two bins belongs to the lower one.

    Args:
        confidence: in [0, 1], any shape.
        accuracy: the same shape; realised OKS, or 0 and 1.
        visibility: the same shape: which answers count; all if None.
        bins: how many.

    Raises:
        ValueError: a shape does not fit, or a confidence is outside [0, 1].
    """
    sure, right = labelled_values(visibility, confidence, accuracy)
    if not within_unit(sure):
        raise ValueError(
            f"expected confidences in [0, 1], found {float(sure.min())} to {float(sure.max())}; rescale them"
        )
    sure = sure.clamp(0, 1)
    edges = torch.linspace(0, 1, bins + 1, dtype=sure.dtype, device=sure.device)[1:-1]
    bin_of = torch.bucketize(sure, edges)
    count = torch.bincount(bin_of, minlength=bins)
    return Reliability(
        torch.bincount(bin_of, sure, minlength=bins) / count,
        torch.bincount(bin_of, right, minlength=bins) / count,
        count,
    )


def within_unit(confidence: Float[Tensor, "..."]) -> bool:
    """Whether all confidences lie in [0, 1], give or take the rounding of a sum."""
    return bool(((confidence >= -1e-5) & (confidence <= 1 + 1e-5)).all())


def ece(
    confidence: Float[Tensor, "..."],
    accuracy: Float[Tensor, "..."],
    visibility: Visibility | None = None,
    bins: int = 10,
) -> Float[Tensor, ""]:
    """Expected calibration error: ``sum_b n_b / n |accuracy_b - confidence_b|`` over the bins of `reliability`.

    >>> round(ece(torch.tensor([0.8, 0.8, 0.3]), torch.tensor([1.0, 0.0, 0.3])).item(), 4)
    0.2
    """
    diagram = reliability(confidence, accuracy, visibility, bins)
    gap = (diagram.accuracy - diagram.confidence).abs().nan_to_num(nan=0)
    return ((gap * diagram.count).sum() / diagram.count.sum()).to(confidence.dtype)
