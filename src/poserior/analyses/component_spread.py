"""How unsure each component is, and to which side it puts left and right.

Source: Varamesh & Tuytelaars, CVPR 2020, Table 4.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.analyses.component_records import FoundObjects
from poserior.analyses.component_statistics import rates
from poserior.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class SpreadSplit:
    """Predictions by component; not a number where a component was never taken or the skeleton has no sides.

    Attributes:
        rate: ``(M,)`` share of the predictions.
        mean: ``(M, 2)`` of their standard deviations in x and y, pixels of the original picture.
        std: ``(M, 2)`` of these standard deviations, over predictions (n - 1).
        left: ``(M, 2)`` share of the left keypoints' offsets that point in the positive direction of x and of y.
        right: ``(M, 2)`` the same of the right ones.
    """

    rate: Float[Tensor, "M"]
    mean: Float[Tensor, "M 2"]
    std: Float[Tensor, "M 2"]
    left: Float[Tensor, "M 2"]
    right: Float[Tensor, "M 2"]


def spread_split(found: FoundObjects, skeleton: Skeleton | None) -> SpreadSplit:
    """Spread and signs of the offsets by component.

    From the middle of a person who faces the camera, the left keypoints lie at positive x; seen from behind, at
    negative x.

    Args:
        found: the predictions that count.
        skeleton: what says left and right; None for mere boxes.
    """
    lefts = [] if skeleton is None else [skeleton.index(left) for left, _ in skeleton.flip_pairs]
    rights = [] if skeleton is None else [skeleton.index(right) for _, right in skeleton.flip_pairs]
    modes = found.weights.shape[1]
    of = [found.component == m for m in range(modes)]
    nothing = torch.full((2,), torch.nan)
    return SpreadSplit(
        rates(found.component, modes),
        torch.stack([found.spread[taken].mean(0) for taken in of]),
        torch.stack([found.spread[taken].std(0) if int(taken.sum()) > 1 else nothing for taken in of]),
        torch.stack([_positive(found.offsets[taken][:, lefts]) for taken in of]),
        torch.stack([_positive(found.offsets[taken][:, rights]) for taken in of]),
    )


def _positive(offsets: Float[Tensor, "N S 2"]) -> Float[Tensor, "2"]:
    return (offsets > 0).float().flatten(0, 1).mean(0)
