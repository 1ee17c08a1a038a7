"""Selective prediction: if only the most trusted answers are accepted, how large is the error of those?"""

from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility
from poserior.metrics.sparsification import ause, sparsification


def risk_coverage(
    errors: Float[Tensor, "..."], confidence: Float[Tensor, "..."], visibility: Visibility | None = None
) -> tuple[Float[Tensor, "M"], Float[Tensor, "M"], Float[Tensor, "M"]]:
    """Mean error of the accepted answers against the share accepted, most trusted first.

    With errors of 0 and 1 (wrong: the OKS is below 0.5, say) this is the share of wrong answers among those accepted.
    Equally confident answers are accepted in random order, as in `sparsification`, of which this is the other side.

    Args:
        errors: one number per answer, lower is better.
        confidence: the same shape, higher is surer.
        visibility: the same shape: which answers count; all if None.

    Returns:
        The accepted shares ``1/M, 2/M, .. 1``; the mean error of the accepted by confidence; and by the oracle, which
        accepts the smallest errors first. In float64.

    >>> import torch
    >>> share, risk, best = risk_coverage(torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.tensor([0.8, 0.9, 0.2, 0.1]))
    >>> share.tolist(), risk.tolist()[:2], best.tolist()[:2]
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.5], [0.0, 0.0])
    """
    removed, by_confidence, by_oracle = sparsification(errors, confidence, visibility)
    return 1 - removed.flip(0), by_confidence.flip(0), by_oracle.flip(0)


def aurc(
    errors: Float[Tensor, "..."],
    confidence: Float[Tensor, "..."],
    visibility: Visibility | None = None,
    excess: bool = False,
) -> Float[Tensor, ""]:
    """Area under the curve of `risk_coverage`: the error of the accepted share, averaged over all shares.

    Geifman and El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017. What the oracle leaves is
    no fault of the confidence: `excess` takes it away (Geifman, Uziel and El-Yaniv, ICLR 2019), which is `ause` of the
    same errors.

    >>> import torch
    >>> errors, confidence = torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.tensor([0.8, 0.9, 0.2, 0.1])
    >>> round(aurc(errors, confidence).item(), 4), round(aurc(errors, confidence, excess=True).item(), 4)
    (0.3333, 0.125)
    """
    if excess:
        return ause(errors, confidence, visibility)
    return risk_coverage(errors, confidence, visibility)[1].mean().to(errors.dtype)
