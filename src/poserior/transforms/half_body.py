"""Half-body crops: the upper or the lower half of a person alone."""

import numpy as np
from numpy.typing import NDArray

from poserior.skeletons import Skeleton

GROWTH = 1.5  # the tight box around keypoints is smaller than what they belong to


def half_body_box(
    keypoints: NDArray[np.float32],
    visibility: NDArray[np.int64],
    box_xyxy: NDArray[np.float64],
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The box around the labelled keypoints of one half, grown by half its size; or the given box.

    The half is drawn evenly from those with at least two labelled keypoints. The given box is returned if fewer than
    half of all keypoints are labelled, if the skeleton knows no halves, or if the keypoints lie so close together
    (less than a quarter of the box's long side) that the crop would show nothing else.

    Args:
        keypoints: ``(K, 2)`` image pixels.
        visibility: ``(K,)``.
        box_xyxy: ``(4,)`` image pixels.
        skeleton: names the upper half.
        rng: decides for a half.
    """
    upper = np.array([name in skeleton.upper_body for name in skeleton.keypoints], bool)
    labelled = visibility > 0
    halves = [half for half in (upper & labelled, ~upper & labelled) if half.sum() >= 2]
    if not skeleton.upper_body or 2 * labelled.sum() < len(labelled) or not halves:
        return box_xyxy
    points = keypoints[halves[rng.integers(len(halves))]].astype(np.float64)
    low, high = points.min(0), points.max(0)
    smallest = (box_xyxy[2:] - box_xyxy[:2]).max() / 4
    if (high - low).max() < smallest:
        return box_xyxy
    sides = np.maximum((high - low) * GROWTH, smallest)
    return np.concatenate([(low + high - sides) / 2, (low + high + sides) / 2])
