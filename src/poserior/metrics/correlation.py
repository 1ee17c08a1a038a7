"""Does the confidence rank, or follow, the accuracy? Pearson's and Spearman's correlation."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from poserior.metrics.base import Visibility, labelled_values


def pearson(
    preds: Float[Tensor, "..."], target: Float[Tensor, "..."], visibility: Visibility | None = None
) -> Float[Tensor, ""]:
    """Pearson's correlation of two sets of numbers, such as confidence and realised OKS.

    Not a number if one of the two is constant or fewer than two values count.

    Args:
        preds: any shape.
        target: the same shape.
        visibility: the same shape: which values count; all if None.

    >>> preds, target = torch.tensor([1.0, 2.0, 3.0, 9.0]), torch.tensor([2.0, 4.0, 6.0, 0.0])
    >>> pearson(preds, target, torch.tensor([1, 2, 1, 0])).item()
    1.0
    """
    x, y = labelled_values(visibility, preds, target)
    return _correlation(x, y).to(preds.dtype)


def spearman(
    preds: Float[Tensor, "..."], target: Float[Tensor, "..."], visibility: Visibility | None = None
) -> Float[Tensor, ""]:
    """Spearman's correlation: `pearson` of the ranks, equal values sharing their mean rank. Arguments as there."""
    x, y = labelled_values(visibility, preds, target)
    return _correlation(_ranks(x), _ranks(y)).to(preds.dtype)


def _correlation(x: Float[Tensor, "M"], y: Float[Tensor, "M"]) -> Float[Tensor, ""]:
    if x.numel() < 2 or bool((x == x[0]).all()) or bool((y == y[0]).all()):
        return x.new_full((), torch.nan)
    x, y = x - x.mean(), y - y.mean()
    # each is brought to length 1 first, so that nothing overflows
    cosine: Tensor = (functional.normalize(x, dim=0, eps=0) * functional.normalize(y, dim=0, eps=0)).sum()
    return cosine.clamp(-1, 1)


def _ranks(values: Float[Tensor, "M"]) -> Float[Tensor, "M"]:
    _, group, size = torch.unique(values, return_inverse=True, return_counts=True)
    if bool(values.isnan().any()):
        return torch.full_like(values, torch.nan)
    mean_rank: Tensor = size.cumsum(0).double() - (size - 1) / 2
    return mean_rank[group]
