"""How much AP do a few pixels cost? The truth, displaced, against the truth.

Source: Varamesh & Tuytelaars, CVPR 2020, Table 6.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.analyses.keypoint_subsets import subset_average_precision
from poserior.errors import InputError
from poserior.metrics.coco_files import load_annotations
from poserior.skeletons import Skeleton

Json = dict[str, Any]
DISTANCES = (1.0, 2.0, 3.0)
WAYS = ("circle", "diagonal")


def displaced_truth(annotations: Json, distance: float | int, seed: int = 0, way: str = "circle") -> list[Json]:
    """Results that are the annotations with every keypoint moved by a distance in a random direction.

    A keypoint without a label is put in the middle of the box, where COCO's tool takes it for a part of the person.

    Args:
        annotations: a COCO dictionary.
        distance: pixels.
        seed: of the directions.
        way: "circle": any direction; "diagonal": the distance along *each* axis, forwards or backwards (so
            ``sqrt(2)`` times as far), which comes closer to the paper's numbers.

    Returns:
        COCO keypoint results, one per person with a labelled keypoint who is no crowd; score 1.

    Raises:
        InputError: the distance is negative or not finite, or there is no such way.
    """
    if way not in WAYS:
        raise InputError(f"expected a way among {', '.join(WAYS)}, found {way!r}; correct it")
    if not (math.isfinite(distance) and distance >= 0):
        raise InputError(f"expected a distance in pixels from 0, found {distance}; correct it")
    rng = np.random.default_rng(seed)
    results = []
    for person in annotations["annotations"]:
        points = np.array(person.get("keypoints") or [], np.float64).reshape(-1, 3)
        if person.get("iscrowd") or not (points[:, 2] > 0).any():
            continue
        angle = rng.uniform(0, 2 * math.pi, len(points))
        step = np.stack([np.cos(angle), np.sin(angle)], 1)
        points[:, :2] += distance * (np.sign(step) if way == "diagonal" else step)
        unknown = points[:, 2] <= 0
        points[unknown] = [*_middle(person, points[~unknown, :2]), 0.0]
        results.append(
            {
                "image_id": person["image_id"],
                "category_id": person.get("category_id", 1),
                "keypoints": points.flatten().tolist(),
                "score": 1.0,
            }
        )
    return results


def _middle(person: Json, points: NDArray[np.float64]) -> tuple[float, float]:
    x, y, width, height = person.get("bbox") or [*points.min(0), *(points.max(0) - points.min(0))]
    return float(x + width / 2), float(y + height / 2)


def displaced_average_precision(
    annotations: Json,
    skeleton: Skeleton,
    distances: Sequence[float | int] = DISTANCES,
    seed: int = 0,
    way: str = "circle",
    category_id: int | None = None,
) -> dict[str, dict[str, float]]:
    """AP of the displaced truth by keypoint subset: what an error of some pixels everywhere would leave.

    Args:
        annotations: a COCO dictionary.
        skeleton: what the keypoints are.
        distances: pixels.
        seed: of the directions.
        way: see `displaced_truth`.
        category_id: see `poserior.metrics.coco_average_precision`.

    Returns:
        ``{"1 px": {"all": AP, "facial": AP, ...}, ...}``.
    """
    load_annotations(annotations, skeleton.num_keypoints, category_id)  # says what is wrong with the file, if anything
    found = {}
    for distance in distances:
        results = displaced_truth(annotations, distance, seed, way)
        scores = subset_average_precision(results, annotations, skeleton, category_id)
        found[f"{distance:g} px"] = {name: values["AP"] for name, values in scores.items()}
    return found
