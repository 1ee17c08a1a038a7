"""What the analyses of components look at: predicted objects beside the annotated ones, as plain tensors."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TrueObjects:
    """T annotated objects.

    Attributes:
        scale: ``(T,)`` root of the box's area, pixels of the original picture.
        category: ``(T,)``.
        visibility: ``(T, K)`` COCO's 0/1/2; K is 0 for mere boxes.
        facing: ``(T,)`` positive towards the camera, negative away from it; not a number where nobody knows.
    """

    scale: Float[Tensor, "T"]
    category: Int[Tensor, "T"]
    visibility: Int[Tensor, "T K"]
    facing: Float[Tensor, "T"]


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """N predicted objects of a density with M modes.

    Attributes:
        score: ``(N,)`` in [0, 1].
        category: ``(N,)``.
        component: ``(N,)`` the mode taken, from 0.
        weights: ``(N, M)`` of all modes.
        scale: ``(N,)`` root of the predicted box's area, pixels of the original picture.
        spread: ``(N, 2)`` standard deviations in x and y of the mode taken, pixels of the original picture; not a
            number where the law has none.
        offsets: ``(N, K, 2)`` from the cell's centre to the keypoints by that mode; only the signs count.
        match: ``(N,)`` which annotated object it is, -1 for none.
    """

    score: Float[Tensor, "N"]
    category: Int[Tensor, "N"]
    component: Int[Tensor, "N"]
    weights: Float[Tensor, "N M"]
    scale: Float[Tensor, "N"]
    spread: Float[Tensor, "N 2"]
    offsets: Float[Tensor, "N K 2"]
    match: Int[Tensor, "N"]
