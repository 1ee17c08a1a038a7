"""Coverage: how often the p % region of highest density holds the label. Calibrated: p % of the time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, masked_mean

PROBABILITIES = (0.5, 0.8, 0.9, 0.95)


def coverage(
    levels: Float[Tensor, "..."], visibility: Visibility, probabilities: Sequence[float] = PROBABILITIES
) -> Float[Tensor, "P"]:
    """Share of labelled keypoints whose label lies in the region of highest density of each probability.

    Args:
        levels: `Distribution.credible_level` of the labels, any shape, in [0, 1]: the mass of all denser points.
        visibility: the levels' shape; COCO's 0/1/2 or a mask.
        probabilities: the P regions' masses, each in [0, 1].

    Raises:
        ValueError: a shape does not fit or a probability is none.

    >>> coverage(torch.tensor([0.1, 0.6, 0.85, 0.99]), torch.tensor([2, 1, 2, 0]), (0.5, 0.9)).tolist()
    [0.3333333432674408, 1.0]
    """
    if not all(0 <= probability <= 1 for probability in probabilities):
        raise ValueError(f"expected probabilities in [0, 1], found {tuple(probabilities)}; give 0.9 for 90 %")
    held = [masked_mean((levels <= probability).to(levels.dtype), visibility) for probability in probabilities]
    return torch.stack(held)
