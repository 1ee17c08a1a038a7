"""Of people found twice in a picture, one stays; in plain arrays, so that exported models can use it."""

from collections.abc import Sequence

import numpy as np

from poserior.outputs import Person


def without_duplicates(people: Sequence[Person], area_per_box: float, threshold: float) -> list[Person]:
    """`poserior.inference.without_duplicates` of one picture's people: `poserior.metrics.oks_nms` on arrays.

    Args:
        people: of one picture.
        area_per_box: the share of a box's area that the object's area is taken for.
        threshold: of OKS, above which the lower-scored person goes.
    """
    if len(people) < 2:
        return list(people)
    points = np.stack([np.asarray(person.keypoints, np.float32)[:, :2] for person in people])
    boxes = np.stack([np.asarray(person.box_xyxy, np.float32) for person in people])
    area = area_per_box * (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    sigmas = np.asarray(people[0].skeleton.oks_sigmas, np.float32)
    kept: list[int] = []
    for n in np.argsort([-person.score for person in people], kind="stable").tolist():
        squared = np.square(points[kept] - points[n]).sum(-1)
        between = (area[kept] + area[n]) / 2
        oks = np.exp(-squared / (2 * between[:, None] * (2 * sigmas) ** 2)).mean(-1)
        if not (oks > threshold).any():
            kept.append(n)
    return [people[n] for n in sorted(kept)]
