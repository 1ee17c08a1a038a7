"""COCO's keypoint JSON: ``images``, ``annotations``, ``categories``.

Keypoints are pixel indices (the first pixel's centre is 0): half a pixel is added on reading and taken off on writing.
Boxes are ``[x, y, width, height]`` of continuous edges and stay as they are. An individual's name is kept under the key
``name`` of its annotation, which COCO's tools pass over.
"""

from pathlib import Path
from typing import Any

from poserior.errors import InputError
from poserior.formats.record import UNLABELLED, Annotations, Box, LabelledImage, LabelledPerson, Point, with_boxes
from poserior.formats.values import flag, image_name, listing, mapping, number, rounded, write_json
from poserior.json_files import describe, read_json

SUFFIX = ".json"


def recognises(path: Path, content: Any) -> bool:  # noqa: ARG001  # every format is asked in the same way
    """Whether a JSON file's content is COCO's."""
    return isinstance(content, dict) and "annotations" in content and "images" in content


def read(path: str | Path, images: Path | None = None, category: str | None = None) -> Annotations:  # noqa: ARG001
    """The keypoints of a COCO file.

    Args:
        path: the ``.json`` or ``.json.gz`` file.
        images: not needed; the file has the pictures' sizes, or not.
        category: a category's name or number; None takes all that have keypoints, if these are the same.

    Raises:
        InputError: it is not in the format, or its categories' keypoints differ.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"expected COCO annotations in {path}, found {describe(content)}; give another file")
    categories = _categories(listing(content.get("categories"), f"'categories' of {path}"), category, path)
    names = next((names for _, names, _ in categories.values() if names is not None), None)
    pictures, place = _images(listing(content.get("images"), f"'images' of {path}"), path)
    order = {number: position for position, number in enumerate(categories)}
    people, outlines, keypoints = [], 0, names
    for n, row in enumerate(listing(content.get("annotations"), f"'annotations' of {path}")):
        where = f"'annotations' of {path}, {_called(row, n)}"
        row = mapping(row, where)
        if not _hashable(row.get("category_id")) or row.get("category_id") not in order:
            continue
        if keypoints is None:
            count = len(listing(row.get("keypoints"), f"'keypoints' of {where}")) // 3
            keypoints = tuple(f"keypoint_{k + 1}" for k in range(count))
        people.append(_person(row, len(keypoints), place, order[row["category_id"]], where))
        outlines += bool(row.get("segmentation"))
    if keypoints is None:
        raise InputError(f"expected keypoints in the categories or annotations of {path}, found none; give another")
    edges, left_out = _edges(next((edges for _, _, edges in categories.values() if edges), []), len(keypoints))
    notes = [f"{outlines} outlines (segmentation)"] if outlines else []
    notes += [f"{left_out} edges of the skeleton that name no keypoint"] if left_out else []
    return Annotations(
        tuple(pictures),
        tuple(people),
        keypoints,
        edges,
        None,
        tuple(name for name, _, _ in categories.values()),
        names is not None,
        tuple(notes),
    )


def write(annotations: Annotations, path: str | Path) -> None:
    """Write a COCO file; missing boxes and areas are made up as `with_boxes` says."""
    write_json(Path(path), to_coco(annotations))


def to_coco(annotations: Annotations) -> dict[str, Any]:
    """The content of a COCO file. Numbers that the record does not have are counted from 1."""
    annotations = with_boxes(annotations)
    numbers = _numbers([image.id for image in annotations.images])
    ids = _numbers([person.id for person in annotations.people])
    images: list[dict[str, Any]] = []
    for n, image in zip(numbers, annotations.images, strict=True):
        size = {} if image.size is None else {"height": image.size[0], "width": image.size[1]}
        images.append({"id": n, "file_name": image.name, **size})
    categories = [
        {
            "id": n + 1,
            "name": name,
            "supercategory": "",
            "keypoints": list(annotations.keypoints),
            "skeleton": [[a + 1, b + 1] for a, b in annotations.edges],
        }
        for n, name in enumerate(annotations.categories)
    ]
    rows = [_row(n, numbers[p.image], p) for n, p in zip(ids, annotations.people, strict=True)]
    return {"images": images, "annotations": rows, "categories": categories}


def lost(annotations: Annotations) -> list[str]:  # noqa: ARG001
    """What the format cannot hold: nothing but mirror pairs, which belong to the skeleton and stand in its file."""
    return []


def _row(number: int | str, image: int | str, person: LabelledPerson) -> dict[str, Any]:
    x0, y0, x1, y1 = person.box_xyxy or (0.0, 0.0, 0.0, 0.0)
    triples = [
        value
        for x, y, v in person.points
        for value in ((rounded(x - 0.5), rounded(y - 0.5), v) if v > 0 else (0, 0, 0))
    ]
    row: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": person.category + 1,
        "keypoints": triples,
        "num_keypoints": len(person.labelled),
        "bbox": [rounded(value) for value in (x0, y0, x1 - x0, y1 - y0)],
        "area": rounded(person.area or 0.0),
        "iscrowd": int(person.crowd),
    }
    return row if not person.name else {**row, "name": person.name}


def _numbers(given: list[Any]) -> list[Any]:
    return given if None not in given and len(set(map(str, given))) == len(given) else list(range(1, len(given) + 1))


def _categories(
    rows: list[Any], wanted: str | None, path: str | Path
) -> dict[Any, tuple[str, tuple[str, ...] | None, list[Any]]]:
    found: dict[Any, tuple[str, tuple[str, ...] | None, list[Any]]] = {}
    for n, row in enumerate(rows):
        row = mapping(row, f"'categories' of {path}, number {n}")
        key = row.get("id")
        if not isinstance(key, int) or key in found:
            raise InputError(f"expected a whole number of its own as id in 'categories' of {path}, found {key!r:.60}")
        points = row.get("keypoints")
        names = tuple(map(str, points)) if isinstance(points, list) and points else None
        edges = row.get("skeleton")
        found[key] = (str(row.get("name", key)), names, edges if isinstance(edges, list) else [])
    everything = found
    if wanted is not None:
        found = {key: entry for key, entry in found.items() if wanted in (entry[0], str(key))}
    elif any(names is not None for _, names, _ in found.values()):
        found = {key: entry for key, entry in found.items() if entry[1] is not None}
    if not found or len({names for _, names, _ in found.values()}) > 1:
        listed = ", ".join(name for name, _, _ in everything.values()) or "none"
        raise InputError(
            f"expected {'categories with the same keypoints' if wanted is None else repr(wanted)} in 'categories' of"
            f" {path}, found {listed:.200}; choose one with --category"
        )
    return found


def _images(rows: list[Any], path: str | Path) -> tuple[list[LabelledImage], dict[Any, int]]:
    pictures: list[LabelledImage] = []
    place: dict[Any, int] = {}
    for n, row in enumerate(rows):
        where = f"'images' of {path}, {_called(row, n)}"
        row = mapping(row, where)
        key = row.get("id")
        if not isinstance(key, int | str) or key in place:
            raise InputError(f"expected an id of its own in {where}, found {key!r:.60}; number the images anew")
        sides = [number(row.get(side) or 0, f"{side!r} of {where}") for side in ("height", "width")]
        size = (int(sides[0]), int(sides[1])) if min(sides) >= 1 else None
        place[key] = n
        pictures.append(LabelledImage(image_name(row.get("file_name"), f"'file_name' of {where}"), size, "", key))
    return pictures, place


def _person(row: dict[str, Any], count: int, place: dict[Any, int], category: int, where: str) -> LabelledPerson:
    image, key = row.get("image_id"), row.get("id")
    if not _hashable(image) or image not in place:
        raise InputError(f"expected an image_id that 'images' lists in {where}, found {image!r:.60}; correct it")
    if key is not None and not isinstance(key, int):
        raise InputError(f"expected a whole number as id in {where}, found {key!r:.60}; correct it")
    crowd = bool(row.get("iscrowd", 0))
    given = listing(row.get("keypoints", [0] * (3 * count) if crowd else None), f"'keypoints' of {where}")
    if len(given) != 3 * count:
        raise InputError(
            f"expected {3 * count} numbers ({count} keypoints: x, y, visibility) under 'keypoints' of {where}, found"
            f" {len(given)}; correct it"
        )
    here = f"'keypoints' of {where}"
    points = tuple(_point(given[3 * k], given[3 * k + 1], given[3 * k + 2], here) for k in range(count))
    area = number(row.get("area") or 0, f"'area' of {where}", "no negative area")
    name = row.get("name")
    return LabelledPerson(
        place[image],
        points,
        None if row.get("bbox") is None else _box(row["bbox"], f"'bbox' of {where}"),
        area if area > 0 else None,
        crowd,
        name if isinstance(name, str) else "",
        category,
        key,
    )


def _point(x: Any, y: Any, v: Any, where: str) -> Point:
    visibility, place = flag(v, where), (number(x, where) + 0.5, number(y, where) + 0.5)
    return (*place, visibility) if visibility > 0 else UNLABELLED


def _box(given: Any, where: str) -> Box | None:
    values = [number(value, where) for value in listing(given, where)]
    if len(values) != 4 or min(values[2:]) < 0:
        raise InputError(f"expected x, y, width, height in {where}, found {values!r:.80}; correct or remove it")
    x, y, width, height = values
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def _edges(found: list[Any], count: int) -> tuple[tuple[tuple[int, int], ...], int]:
    good = [
        (pair[0] - 1, pair[1] - 1)
        for pair in found
        if isinstance(pair, list) and len(pair) == 2 and all(type(end) is int and 1 <= end <= count for end in pair)
    ]
    return tuple(good), len(found) - len(good)


def _called(row: Any, n: int) -> str:
    return f"id {row['id']!r:.40}" if isinstance(row, dict) and "id" in row else f"number {n}"


def _hashable(value: Any) -> bool:
    return isinstance(value, int | str)
