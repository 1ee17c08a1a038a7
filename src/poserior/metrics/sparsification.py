"""Sparsification: does the error fall when the least confident answers are thrown away?"""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, labelled_values


def sparsification(
    errors: Float[Tensor, "..."], confidence: Float[Tensor, "..."], visibility: Visibility | None = None
) -> tuple[Float[Tensor, "M"], Float[Tensor, "M"], Float[Tensor, "M"]]:
    """Mean error of what remains when the least confident fraction is removed, and the best any order could do.

    Equally confident answers count as removed in random order (each stands with its group's mean error), so a constant
    confidence gives a flat curve whatever the order of the data.

    Args:
        errors: one number per answer, lower is better; ``1 - OKS`` here, as the CCNet paper has it.
        confidence: the same shape, higher is surer.
        visibility: the same shape: which answers count; all if None.

    Returns:
        The removed fractions ``0, 1/M, .. (M-1)/M``; the mean remaining error by confidence; and by the oracle, which
        removes the largest errors first. In float64.

    >>> _, by_confidence, by_oracle = sparsification(torch.tensor([4.0, 0.0, 2.0]), torch.tensor([0.5, 0.9, 0.1]))
    >>> by_confidence.tolist(), by_oracle.tolist()
    ([2.0, 2.0, 0.0], [2.0, 1.0, 0.0])
    """
    error, sure = labelled_values(visibility, errors, confidence)
    _, group, size = torch.unique(sure, return_inverse=True, return_counts=True)
    shared = (torch.zeros_like(size, dtype=error.dtype).index_add(0, group, error) / size)[group]
    remaining = torch.arange(1, error.numel() + 1, dtype=torch.float64, device=error.device)
    # surest first, so that entry i of the running mean is what i + 1 kept answers leave
    by_confidence = (shared[sure.argsort(descending=True)].cumsum(0) / remaining).flip(0)
    if bool(sure.isnan().any()):
        by_confidence = torch.full_like(by_confidence, torch.nan)
    by_oracle = (error.sort().values.cumsum(0) / remaining).flip(0)
    return (remaining - 1) / max(error.numel(), 1), by_confidence, by_oracle


def ause(
    errors: Float[Tensor, "..."],
    confidence: Float[Tensor, "..."],
    visibility: Visibility | None = None,
    normalise: bool = False,
) -> Float[Tensor, ""]:
    """Area between the two curves of `sparsification` over the removed fraction in [0, 1]; 0 is a perfect order.

    The curves are steps of width 1/M, so the area is the mean of their M differences, in the unit of the errors. With
    `normalise` it is divided by the mean error, so that both curves start at 1 (Ilg et al., "Uncertainty Estimates
    and Multi-Hypotheses Networks for Optical Flow", 2018). Published values are often multiplied by 100.

    >>> round(ause(torch.tensor([4.0, 0.0, 2.0]), torch.tensor([0.5, 0.9, 0.1])).item(), 4)
    0.3333
    """
    _, by_confidence, by_oracle = sparsification(errors, confidence, visibility)
    area = (by_confidence - by_oracle).mean()
    return (area / by_oracle[0] if normalise and by_oracle.numel() else area).to(errors.dtype)
