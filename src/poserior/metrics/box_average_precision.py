"""COCO's average precision and recall for boxes, computed by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior.errors import InputError
from poserior.json_files import read_json
from poserior.metrics.coco_files import Json, entry_value, finite_numbers, image_number, is_finite, read_annotations

KEYS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")


def coco_box_average_precision(
    results: Sequence[Json] | str | Path, annotations: Json | str | Path, category_id: int | None = None
) -> dict[str, float]:
    """AP and AR of the official COCO detection evaluation (Lin et al., 2014).

    Mean over IoU thresholds .50:.05:.95 and over the categories that have objects, at most 100 boxes per picture and
    category; crowds are no misses and no false alarms. S is an object area below 32^2 square pixels, M to 96^2, L
    above; AR1, AR10 count so many boxes of each picture and category. Results count in the pictures that the
    annotations list.

    Args:
        results: a COCO results list ``[{image_id, category_id, bbox: [x, y, width, height], score}, ...]`` or its
            file; what else the entries say, keypoints too, is passed over.
        annotations: a COCO dictionary or its file (``.json``, ``.json.gz``). An area that is missing or 0 is the box's.
        category_id: the one category to count; None for all.

    Returns:
        ``AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL`` in [0, 1]; not a number where no object is
        in the range (pycocotools says -1).

    Raises:
        InputError: a file cannot be used; the sentence names the entry.
    """
    content, source, image_index = read_annotations(annotations)
    objects = []
    for number, entry in enumerate(content["annotations"]):
        where = f"annotation {entry.get('id', f'number {number}')} of {source}"
        box = finite_numbers(entry_value(entry, "bbox", where), where, "bbox", 4)
        area = entry.get("area") or box[2] * box[3]
        if not is_finite(area) or area < 0:
            raise InputError(f"expected a number as 'area' of {where}, not negative, found {area!r}; correct it")
        facts = {"area": float(area), "iscrowd": int(bool(entry.get("iscrowd", 0)))}
        objects.append(_box(entry, where, box, image_index) | facts)
    named = {entry_value(category, "id", f"a category of {source}") for category in content.get("categories") or []}
    known = named | {entry["category_id"] for entry in objects}
    found = _read_results(results, image_index, known, source)
    if category_id is not None:
        if category_id not in known:
            raise InputError(
                f"expected a category of {source} ({', '.join(map(str, sorted(known)))}),"
                f" found {category_id}; choose one"
            )
        known = {category_id}
    return _average_precision(objects, found, list(image_index.values()), sorted(known))


def _read_results(
    results: Sequence[Json] | str | Path, image_index: dict[int | str, int], known: set[int], truth: str
) -> list[Json]:
    source = str(results) if isinstance(results, str | Path) else "results"
    content = read_json(results) if isinstance(results, str | Path) else results
    if not isinstance(content, Sequence):
        raise InputError(
            f"expected a list of COCO results in {source}, found {type(content).__name__}; give such a file"
        )
    boxes = []
    for number, entry in enumerate(content):
        where = f"result {number} of {source}"
        box = finite_numbers(entry_value(entry, "bbox", where), where, "bbox", 4)
        score = entry_value(entry, "score", where)
        if not is_finite(score):
            raise InputError(f"expected a finite number as 'score' of {where}, found {score!r}; correct it")
        made = _box(entry, where, box, image_index) | {"score": float(score), "area": box[2] * box[3]}
        if made["category_id"] not in known:
            raise InputError(
                f"expected a category of {truth} ({', '.join(map(str, sorted(known)))}) in {where},"
                f" found {made['category_id']}; give the annotations these results belong to"
            )
        boxes.append(made)
    return boxes


def _box(entry: Json, where: str, box: list[float], image_index: dict[int | str, int]) -> Json:
    category = entry_value(entry, "category_id", where)
    if not isinstance(category, int) or isinstance(category, bool):
        raise InputError(f"expected a whole number as 'category_id' of {where}, found {category!r}; correct it")
    return {"image_id": image_number(entry, where, image_index), "category_id": category, "bbox": box}


def _average_precision(
    truth: list[Json], found: list[Json], images: list[int], categories: list[int]
) -> dict[str, float]:
    if not truth or not categories:  # nothing to find: pycocotools fails on a set without categories
        return dict.fromkeys(KEYS, float("nan"))
    lists = {"images": [{"id": n} for n in images], "categories": [{"id": n} for n in categories]}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools has no quiet mode
        judge = COCOeval(_indexed(lists, truth), _indexed(lists, found), iouType="bbox")
        judge.params.imgIds, judge.params.catIds = images, categories
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {key: float(value) if value >= 0 else float("nan") for key, value in zip(KEYS, judge.stats, strict=True)}


def _indexed(lists: Json, entries: list[Json]) -> COCO:
    """Pycocotools' record of boxes; ids are from 1, for it takes 0 for no match."""
    numbered = [{"iscrowd": 0, **entry, "id": number} for number, entry in enumerate(entries, 1)]
    content: Any = {**lists, "annotations": numbered}
    record = COCO()
    record.dataset = content
    record.createIndex()
    return record
