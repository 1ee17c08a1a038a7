"""Half-body crops: the upper or the lower half of a person alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from poserior.skeletons import Skeleton

GROWTH = 1.5  # the tight box around keypoints is smaller than what they belong to


def half_body_box(
    keypoints: NDArray[np.float32],
    visibility: NDArray[np.int64],
    box_xyxy: Sequence[float],
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> Sequence[float]:
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
    if not skeleton.upper_body:
        return box_xyxy
    halves: tuple[list[list[float]], list[list[float]]] = ([], [])
    for name, point, seen in zip(skeleton.keypoints, keypoints.tolist(), visibility.tolist(), strict=True):
        if seen > 0:
            halves[name not in skeleton.upper_body].append(point)
    usable = [half for half in halves if len(half) >= 2]
    if 2 * (len(halves[0]) + len(halves[1])) < len(visibility) or not usable:
        return box_xyxy
    xs, ys = zip(*usable[rng.integers(len(usable))], strict=True)
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    smallest = max(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1]) / 4
    if max(right - left, bottom - top) < smallest:
        return box_xyxy
    width, height = max((right - left) * GROWTH, smallest), max((bottom - top) * GROWTH, smallest)
    x, y = left + right, top + bottom
    return [(x - width) / 2, (y - height) / 2, (x + width) / 2, (y + height) / 2]
