"""End-point error: the mean distance, in pixels or in units of a length of the person."""

from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility, expect_shape, keypoint_distance, masked_mean


def end_point_error(
    preds: Float[Tensor, "N K D"], target: Float[Tensor, "N K D"], visibility: Visibility
) -> Float[Tensor, ""]:
    """Mean Euclidean distance of the labelled keypoints, in the inputs' unit (EPE in pixels, MPJPE in millimetres).

    >>> import torch
    >>> preds = torch.tensor([[[3.0, 4.0], [0.0, 7.0]]])
    >>> end_point_error(preds, torch.zeros(1, 2, 2), torch.tensor([[1, 2]])).item()
    6.0
    """
    return masked_mean(keypoint_distance(preds, target, visibility), visibility)


def end_point_error_per_keypoint(
    preds: Float[Tensor, "N K D"], target: Float[Tensor, "N K D"], visibility: Visibility
) -> Float[Tensor, "K"]:
    """`end_point_error` of each keypoint; not a number for one that is never labelled."""
    return masked_mean(keypoint_distance(preds, target, visibility), visibility, dim=0)


def normalised_error(
    preds: Float[Tensor, "N K D"],
    target: Float[Tensor, "N K D"],
    reference: Float[Tensor, "N"],
    visibility: Visibility,
) -> Float[Tensor, ""]:
    """Mean of distance over a reference length of the person (NME; faces: the distance of the eyes).

    The mean runs over all labelled keypoints of all people at once.

    Raises:
        ValueError: a shape does not fit, or a person with labelled keypoints has no positive reference.
    """
    distance = keypoint_distance(preds, target, visibility)
    expect_shape("reference", reference, preds.shape[:1], "people")
    measured = reference[(visibility > 0).any(1)]
    if not bool((measured > 0).all()):
        raise ValueError(
            f"expected a positive reference length per labelled person, found {float(measured.min())};"
            " leave those people out or measure them"
        )
    return masked_mean(distance / reference[:, None], visibility)
