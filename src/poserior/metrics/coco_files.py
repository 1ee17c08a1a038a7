"""COCO keypoint annotations and results: read, checked, and reduced to what the evaluation needs."""

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA
from poserior.json_files import read_json

Json = dict[str, Any]
_PLAIN = {int, float}


def load_annotations(annotations: Json | str | Path, num_keypoints: int, category_id: int | None) -> Json:
    """The people of one category in COCO's annotation form, checked and completed.

    Images and people are renumbered from 1 in the order of their ids: COCO's tool takes a person of id 0 for no match,
    and loses all but one of several with the same id. ``num_keypoints`` and ``iscrowd`` are filled in where absent;
    an area that is missing or 0 is 0.53 times the box's.

    Returns:
        ``images``, ``categories``, ``annotations`` as COCO's tool reads them, ``image_index`` (original id to new),
        and ``category_id``.

    Raises:
        InputError: names the file, the annotation and what is wrong with it.
    """
    content, source, image_index = read_annotations(annotations)
    people = content["annotations"]
    category_id = _choose_category(content, people, category_id, source)
    kept: list[Json] = []
    for number, person in enumerate(people):
        if person.get("category_id", category_id) == category_id:
            where = f"annotation {person.get('id', f'number {number}')} of {source}"
            kept.append(
                _person(person, where, num_keypoints, image_index) | {"category_id": category_id, "id": len(kept) + 1}
            )
    return {
        "images": [{"id": n} for n in image_index.values()],
        "categories": [{"id": category_id, "name": "person"}],
        "annotations": kept,
        "image_index": image_index,
        "category_id": category_id,
    }


def read_annotations(annotations: Json | str | Path) -> tuple[Json, str, dict[Any, int]]:
    """A COCO dictionary with its lists checked, what messages call it, and its images' numbers from 1 by their ids."""
    source = "annotations" if isinstance(annotations, dict) else str(annotations)
    content = annotations if isinstance(annotations, dict) else read_json(annotations)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("images", "annotations")):
        raise InputError(
            f"expected a COCO dictionary with lists 'images' and 'annotations' in {source}; give such a file"
        )
    for number, person in enumerate(content["annotations"]):
        if not isinstance(person, dict) or "image_id" not in person:
            raise InputError(
                f"expected a dictionary with image_id as annotation {number} of {source}; correct the file"
            )
    image_ids = {
        _hashable(entry_value(image, "id", f"image {n} of {source}"), source)
        for n, image in enumerate(content["images"])
    }
    image_index = {id_: n for n, id_ in enumerate(sorted(image_ids, key=lambda i: (isinstance(i, str), i)), 1)}
    return content, source, image_index


def load_results(results: Sequence[Json] | str | Path, annotations: Json, num_keypoints: int) -> list[Json]:
    """The entries of a COCO results list that are of the annotations' category, checked, numbered from 1.

    Each knows its place in the list as ``number``.

    Args:
        results: the list, or the file that holds it.
        annotations: what `load_annotations` returned.
        num_keypoints: K.

    Raises:
        InputError: names the file, the entry and what is wrong with it.
    """
    source = str(results) if isinstance(results, str | Path) else "results"
    content = read_json(results) if isinstance(results, str | Path) else results
    if not isinstance(content, Sequence):
        raise InputError(
            f"expected a list of COCO results in {source}, found {type(content).__name__}; give such a file"
        )
    kept: list[Json] = []
    others: Counter[str] = Counter()
    for number, entry in enumerate(content):
        where = f"result {number} of {source}"
        if not isinstance(entry, dict):
            raise InputError(f"expected a dictionary as {where}, found {type(entry).__name__}; correct the file")
        category = entry.get("category_id", annotations["category_id"])
        if category != annotations["category_id"]:
            others[str(category)] += 1
            continue
        kept.append(_result(entry, where, num_keypoints, annotations["image_index"]) | {"number": number})
    if others and not kept:
        raise InputError(
            f"expected results of category {annotations['category_id']} in {source},"
            f" found only category {', '.join(sorted(others))}; correct their category_id"
        )
    # COCO's tool decides by the first entry whether a result's area is that of its box or of its points' extent
    with_box = bool(kept) and kept[0]["bbox"] is not None
    for number, entry in enumerate(kept, 1):
        x0, y0, x1, y1 = _extent(entry["keypoints"])
        box = entry["bbox"] if with_box and entry["bbox"] is not None else [x0, y0, x1 - x0, y1 - y0]
        entry.update(id=number, category_id=annotations["category_id"], bbox=box, area=box[2] * box[3], iscrowd=0)
    return kept


def _choose_category(content: Json, people: list[Json], category_id: int | None, source: str) -> Any:
    if category_id is not None:
        known = {c.get("id") for c in content.get("categories") or [] if isinstance(c, dict)}
        known |= {p["category_id"] for p in people if "category_id" in p}
        if known and category_id not in known:
            raise InputError(
                f"expected a category of {source} ({', '.join(map(str, known))}), found {category_id}; choose one"
            )
        return category_id
    found = {p.get("category_id", 1) for p in people if "keypoints" in p}
    if len(found) == 1:
        return found.pop()
    named = [c for c in content.get("categories") or [] if isinstance(c, dict) and "id" in c]
    if not found and len(named) <= 1:
        return named[0]["id"] if named else 1
    persons = [c["id"] for c in named if c.get("name") == "person"]
    if persons:
        return persons[0]
    raise InputError(
        f"expected one category with keypoints in {source}, found {sorted(map(str, found))}; say which by category_id"
    )


def _person(person: Json, where: str, num_keypoints: int, image_index: dict[Any, int]) -> Json:
    points = _triples(person.get("keypoints") or [0] * (3 * num_keypoints), where, num_keypoints)
    labelled = sum(v > 0 for v in points[2::3])
    box = person.get("bbox")
    if box is None:
        x0, y0, x1, y1 = _extent([c for n in range(0, len(points), 3) if points[n + 2] > 0 for c in points[n : n + 3]])
        box = [x0, y0, x1 - x0, y1 - y0]
    box = finite_numbers(box, where, "bbox", 4)
    area = person.get("area") or BOX_TO_AREA * box[2] * box[3]
    if not is_finite(area) or area < 0 or (area == 0 and labelled):
        raise InputError(
            f"expected a positive number as 'area' (square pixels of the object) of {where}, found {area!r};"
            " add it, or a 'bbox' of positive size"
        )
    return {
        "image_id": image_number(person, where, image_index),
        "keypoints": points,
        "num_keypoints": person.get("num_keypoints", labelled) if labelled else 0,
        "area": float(area),
        "bbox": box,
        "iscrowd": int(bool(person.get("iscrowd", 0))),
    }


def _result(entry: Json, where: str, num_keypoints: int, image_index: dict[Any, int]) -> Json:
    score = entry_value(entry, "score", where)
    if not is_finite(score):
        raise InputError(f"expected a finite number as 'score' of {where}, found {score!r}; correct it")
    box = entry.get("bbox") or None
    return {
        "image_id": image_number(entry, where, image_index),
        "keypoints": _triples(entry_value(entry, "keypoints", where), where, num_keypoints),
        "score": float(score),
        "bbox": None if box is None else finite_numbers(box, where, "bbox", 4),
    }


def image_number(entry: Json, where: str, image_index: dict[Any, int]) -> int:
    """The number of an entry's picture."""
    image_id = _hashable(entry_value(entry, "image_id", where), where)
    if image_id not in image_index:
        example = f", such as {next(iter(image_index))!r}" if image_index else ""
        raise InputError(
            f"expected an image_id that the annotations list{example}, found {image_id!r} in {where};"
            " give the annotations these results belong to"
        )
    return image_index[image_id]


def entry_value(entry: Any, key: str, where: str) -> Any:
    """What an entry says under a key."""
    if not isinstance(entry, dict) or key not in entry:
        raise InputError(f"expected the key {key!r} in {where}, found none; add it")
    return entry[key]


def _hashable(image_id: Any, where: str) -> int | str:
    if not isinstance(image_id, int | str):
        raise InputError(f"expected a whole number or a name as image id in {where}, found {image_id!r}; correct it")
    return image_id


def _triples(values: Any, where: str, num_keypoints: int) -> list[float]:
    if not isinstance(values, Sequence) or len(values) != 3 * num_keypoints:
        found = f"{len(values)} values" if isinstance(values, Sequence) else type(values).__name__
        raise InputError(
            f"expected {3 * num_keypoints} numbers (x, y, v of {num_keypoints} keypoints) as 'keypoints' of {where},"
            f" found {found}; choose the skeleton the file was made with"
        )
    return finite_numbers(values, where, "keypoints", 3 * num_keypoints)


def finite_numbers(values: Any, where: str, key: str, count: int) -> list[float]:
    """`count` finite numbers."""
    # The usual case first, without a Python function for each of a file's hundreds of thousands of numbers.
    if type(values) is list and len(values) == count and set(map(type, values)) <= _PLAIN:
        with contextlib.suppress(OverflowError):  # a whole number beyond floating point
            plain = [float(value) for value in values]
            if all(map(math.isfinite, plain)):
                return plain
    if not isinstance(values, Sequence) or len(values) != count or not all(map(is_finite, values)):
        wrong = next((v for v in values if not is_finite(v)), values) if isinstance(values, Sequence) else values
        raise InputError(f"expected {count} finite numbers as {key!r} of {where}, found {wrong!r}; correct them")
    return [float(value) for value in values]


def is_finite(value: Any) -> TypeGuard[float | int]:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _extent(points: list[float]) -> tuple[float, float, float, float]:
    xs, ys = points[0::3] or [0.0], points[1::3] or [0.0]
    return min(xs), min(ys), max(xs), max(ys)
