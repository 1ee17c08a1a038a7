"""Is a probability right? The Brier score, here of the predicted visibility."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.metrics.base import Visibility, expect_shape, labelled_values
from poserior.metrics.reliability import within_unit


def brier_score(
    preds: Float[Tensor, "..."],
    target: Int[Tensor, "..."] | Bool[Tensor, "..."] | Float[Tensor, "..."],
    counts: Visibility | None = None,
) -> Float[Tensor, ""]:
    """Mean squared distance ``(p - y)^2`` from probability to outcome; 0 is perfect, 0.25 what saying 1/2 gives.

    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review, 1950 (its form for
    two outcomes is twice this).

    Args:
        preds: probabilities in [0, 1], any shape.
        target: the same shape: what happened; above 0 (or True) is yes, so COCO's 0/1/2 means "labelled".
        counts: the same shape: which places count; all if None. Unlike other metrics', these are not the labelled
            places: what is not labelled is an outcome here.

    Raises:
        ValueError: a shape does not fit or a probability is none.

    >>> import torch
    >>> round(brier_score(torch.tensor([0.9, 0.2, 0.5]), torch.tensor([2, 0, 1])).item(), 4)
    0.1
    """
    expect_shape("target", target, preds.shape, "as preds")
    probability, happened = labelled_values(counts, preds, (target > 0).to(preds.dtype))
    if not within_unit(probability[~probability.isnan()]):
        raise ValueError(
            f"expected probabilities in [0, 1], found {float(probability.min())} to {float(probability.max())};"
            " give probabilities, not scores"
        )
    return (probability - happened).square().mean().to(preds.dtype)
