"""What every metric shares: the masked mean and checks that teach.

One rule throughout: a keypoint counts if its `visibility` is above 0 (or True); whatever stands in the places that do
not count, even "not a number", has no influence; and a value that nothing defines (no labelled keypoint, a constant
correlated) is not a number.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Visibility = Int[Tensor, "..."] | Bool[Tensor, "..."]
"""COCO's 0/1/2, or a mask: what is above 0 counts."""


def expect_shape(name: str, value: Tensor, shape: Sequence[int], meaning: str) -> None:
    """Refuse a tensor of another shape.

    Raises:
        ValueError: names the argument, the shape it should have, the one it has, and what its axes mean.
    """
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"expected {name} of shape {tuple(shape)} ({meaning}), found {tuple(value.shape)}; reshape it")


def keypoint_distance(
    preds: Float[Tensor, "N K D"], target: Float[Tensor, "N K D"], visibility: Visibility
) -> Float[Tensor, "N K"]:
    """Euclidean distance of every labelled keypoint, in the unit of the inputs; not a number where not labelled."""
    if preds.ndim != 3:
        raise ValueError(f"expected preds of shape (people, keypoints, dim), found {tuple(preds.shape)}; reshape it")
    expect_shape("target", target, preds.shape, "people, keypoints, dim, as preds")
    expect_shape("visibility", visibility, preds.shape[:2], "people, keypoints")
    labelled = visibility > 0
    zero = preds.new_zeros(())
    # both are masked before the arithmetic, so that no gradient meets what stands in unlabelled places
    difference = torch.where(labelled[..., None], preds, zero) - torch.where(labelled[..., None], target, zero)
    distance: Tensor = torch.linalg.vector_norm(difference, dim=-1)
    return distance.masked_fill(~labelled, torch.nan)


def masked_mean(values: Float[Tensor, "..."], visibility: Visibility, dim: int | None = None) -> Float[Tensor, "..."]:
    """Mean of the values that count, over everything or over one axis.

    >>> masked_mean(torch.tensor([[1.0, torch.nan], [3.0, 8.0]]), torch.tensor([[2, 0], [1, 0]]), dim=0).tolist()
    [2.0, nan]
    """
    expect_shape("visibility", visibility, values.shape, "as the values")
    counts = visibility > 0
    kept = torch.where(counts, values, values.new_zeros(()))
    if dim is None:
        return kept.sum() / counts.sum()
    return kept.sum(dim) / counts.sum(dim)


def labelled_values(visibility: Visibility | None, *values: Float[Tensor, "..."]) -> list[Float[Tensor, "M"]]:
    """The values that count, flat and in float64, of tensors of one shape; without a visibility all count."""
    for value in values[1:]:
        expect_shape("target", value, values[0].shape, "as preds")
    if visibility is None:
        return [value.flatten().double() for value in values]
    expect_shape("visibility", visibility, values[0].shape, "as preds")
    return [value[visibility > 0].double() for value in values]
