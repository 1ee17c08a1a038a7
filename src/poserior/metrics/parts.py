"""Average precision of each part of a body: feet, face, hands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.json_files import read_json
from poserior.metrics.coco_files import Json, load_annotations, load_results
from poserior.metrics.keypoint_eval import KeypointEval
from poserior.skeletons import Skeleton, join_annotations, join_results

SHOWN = ("AP", "AP50", "AP75", "APM", "APL", "AR")


def average_precision_by_part(
    results: Sequence[Json] | str | Path,
    annotations: Json | str | Path,
    skeleton: Skeleton,
    category_id: int | None = None,
) -> dict[str, dict[str, float]]:
    """AP and AR of each of the skeleton's parts, by the rules of COCO-WholeBody (Jin et al., 2020).

    A part's OKS is that of its own keypoints, with the *person's* area; people in whom none of them is labelled are
    ignored, as crowds are. The order of the results decides AP, and there are two ways to score them:

    - ``AP, AP50, AP75, APM, APL, AR``: a part by its own keypoints, ``sum_k v_k c_k / sum_k v_k`` over the part (CCNet,
      table 3). A result that has a score for the part (``foot_score``, ``lefthand_score``, ...) is scored by that.
    - ``AP_person_score, AR_person_score``: every part by the person's score, the usual convention.

    A keypoint's confidence c is a result's ``confidence``, or the third numbers of its keypoints unless these are flags
    (no more than three different values in the whole file); its visibility v is the result's ``visibility``, else 1.
    Where nothing scores a part, the person's score does, and both ways are one.

    Args:
        results: a COCO or COCO-WholeBody results list or file.
        annotations: a COCO or COCO-WholeBody annotation dictionary or file.
        skeleton: what the keypoints are; with `parts`.
        category_id: see `coco_average_precision`.

    Returns:
        By the part's name. Not a number where no person has the part.

    Raises:
        InputError: a file cannot be used.
        ValueError: the skeleton has no parts.
    """
    if not skeleton.parts:
        raise ValueError(f"expected a skeleton with parts, found {skeleton.name} without; add parts to its file")
    whole_results, whole_annotations = joined_files(results, annotations, skeleton)
    truth = load_annotations(whole_annotations, skeleton.num_keypoints, category_id)
    entries = load_results(whole_results, truth, skeleton.num_keypoints)
    said = [whole_results[entry["number"]] for entry in entries]
    confidence, weight = _confidences(said, entries)
    found = {}
    for part, columns in skeleton.part_indices.items():
        index = list(columns)
        sigmas = [skeleton.oks_sigmas[k] for k in index]
        truth_part = {**truth, "annotations": [_columns(person, index) for person in truth["annotations"]]}
        of_person = [_columns(entry, index) for entry in entries]
        own = _own_scores(said, part, confidence, weight, index)
        matched = KeypointEval(truth_part, of_person, sigmas)
        by_person = matched.stats_of()
        matched.scores = own
        by_part = matched.stats_of()
        found[part] = {key: by_part[key] for key in SHOWN}
        found[part] |= {f"{key}_person_score": by_person[key] for key in ("AP", "AR")}
    return found


def joined_files(
    results: Sequence[Json] | str | Path, annotations: Json | str | Path, skeleton: Skeleton
) -> tuple[Any, Any]:
    """Results and annotations with all parts in one list of keypoints, read if they are paths."""
    results = read_json(results) if isinstance(results, str | Path) else results
    annotations = read_json(annotations) if isinstance(annotations, str | Path) else annotations
    # what is no list of records is refused by whoever reads it next
    if isinstance(results, list) and all(isinstance(result, dict) for result in results):
        results = join_results(results, skeleton)
    people = annotations.get("annotations") if isinstance(annotations, dict) else None
    if isinstance(people, list) and all(isinstance(person, dict) for person in people):
        annotations = {**annotations, "annotations": join_annotations(people, skeleton)}
    return results, annotations


def _columns(record: Json, index: list[int]) -> Json:
    """A record of the part alone; its box and area stay the person's."""
    points = [value for k in index for value in record["keypoints"][3 * k : 3 * k + 3]]
    return {**record, "keypoints": points, "num_keypoints": sum(flag > 0 for flag in points[2::3])}


def _confidences(results: list[Json], entries: list[Json]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    """``(R, K)`` confidences, None where there are none, and their weights."""
    third = np.array([entry["keypoints"][2::3] for entry in entries], np.float64)
    confidence = _rows(results, "confidence", third.shape)
    if confidence is None and len(np.unique(third)) > 3:
        confidence = third
    visibility = _rows(results, "visibility", third.shape)
    return confidence, np.ones(third.shape) if visibility is None else visibility


def _rows(results: list[Json], key: str, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """One number per keypoint under a key of every result; None unless all have them."""
    rows = [result.get(key) for result in results]
    try:
        values = np.array(rows, np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.shape == shape and np.isfinite(values).all() else None


def _own_scores(
    results: list[Json],
    part: str,
    confidence: NDArray[np.float64] | None,
    weight: NDArray[np.float64],
    index: list[int],
) -> list[float]:
    key = f"{part.replace('_', '')}_score"
    given = [float(result[key]) for result in results if isinstance(result.get(key), int | float)]
    if len(given) == len(results) and np.isfinite(given).all():
        return given
    if confidence is None:
        return [float(result["score"]) for result in results]
    weights = weight[:, index]
    total = weights.sum(1)
    means = (weights * confidence[:, index]).sum(1) / np.where(total > 0, total, 1.0)
    return [float(mean) for mean in means]
