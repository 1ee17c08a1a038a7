"""A plain CSV table, wide or long.

Wide, one line per person (the columns in any order):
    ``image``, [``person``], [``bbox_x``, ``bbox_y``, ``bbox_width``, ``bbox_height``], and for each keypoint
    ``<keypoint>_x``, ``<keypoint>_y``, [``<keypoint>_v``]. A line that has nothing but ``image`` is a picture in which
    nobody is labelled.
Long, one line per keypoint:
    ``image``, [``person``], ``keypoint``, ``x``, ``y``, [``v``].

Keypoints are pixel indices as in COCO (the first pixel's centre is 0): half a pixel is added on reading and taken off
on writing. Boxes are a corner and a size of continuous edges. An empty cell, or a visibility of 0, is a keypoint that
nobody placed; without visibilities what is placed counts as visible. Commas, semicolons or tabs; UTF-8.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from poserior.errors import InputError
from poserior.formats.record import UNLABELLED, Annotations, Box, LabelledImage, LabelledPerson, Point
from poserior.formats.values import flag, image_name, number, plain, read_text, write_text

SUFFIX = ".csv"

BOX = ("bbox_x", "bbox_y", "bbox_width", "bbox_height")
LONG = ("image", "person", "keypoint", "x", "y", "v")

Line = tuple[dict[str, str], str]
"""A line's cells by column, and where it stands."""


def recognises(path: Path, content: Any) -> bool:  # noqa: ARG001
    """Whether a table's first row has a column ``image``."""
    return isinstance(content, list) and "image" in content


def read(path: str | Path, images: Path | None = None, category: str | None = None) -> Annotations:  # noqa: ARG001
    """The keypoints of a table.

    Args:
        path: the file.
        images: not needed.
        category: what the things are called; "object" by default.

    Raises:
        InputError: a column is unknown or missing, a number is none, somebody is there twice.
    """
    header, lines = _lines(Path(path))
    if "image" not in header:
        raise InputError(f"expected a column 'image' in {path}, line 1, found {', '.join(header):.200}; add it")
    keypoints, images_, people = (_long if "keypoint" in header else _wide)(header, lines, Path(path))
    pictures = tuple(LabelledImage(name) for name in images_)
    return Annotations(pictures, tuple(people), keypoints, categories=(category or "object",))


def write(annotations: Annotations, path: str | Path) -> None:
    """Write the wide table."""
    if "bbox" in annotations.keypoints:
        raise InputError("expected keypoints not called bbox for the format csv, found one; rename it")
    boxes = any(person.box_xyxy is not None for person in annotations.people)
    columns = ["image", "person", *(BOX if boxes else ())]
    columns += [f"{name}_{axis}" for name in annotations.keypoints for axis in "xyv"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for image, people in zip(annotations.images, annotations.people_by_image(), strict=True):
        names = people_names([person.name for person in people])
        writer.writerows(
            [image.name, name, *_box_cells(person.box_xyxy, boxes), *_point_cells(person)]
            for name, person in zip(names, people, strict=True)
        )
        if not people:
            writer.writerow([image.name, *[""] * (len(columns) - 1)])
    write_text(Path(path), text.getvalue())


def lost(annotations: Annotations) -> list[str]:
    """What the table cannot hold."""
    return [
        *(["the pictures' sizes"] if any(image.size for image in annotations.images) else []),
        *(["areas"] if any(person.area is not None for person in annotations.people) else []),
        *(["edges"] if annotations.edges else []),
        *(["mirror pairs"] if annotations.flip_pairs else []),
        *(["categories"] if len(annotations.categories) > 1 else []),
        *(["the mark of crowds"] if any(person.crowd for person in annotations.people) else []),
    ]


def people_names(given: list[str]) -> list[str]:
    """Names of one picture's people that all differ: the given ones, or 1, 2, 3.

    >>> people_names(["a", "b"]), people_names(["", "a"])
    (['a', 'b'], ['1', '2'])
    """
    return given if all(given) and len(set(given)) == len(given) else [str(n + 1) for n in range(len(given))]


def _box_cells(box: Box | None, wanted: bool) -> list[str]:
    if not wanted:
        return []
    return [""] * 4 if box is None else [plain(value) for value in (box[0], box[1], box[2] - box[0], box[3] - box[1])]


def _point_cells(person: LabelledPerson) -> list[str]:
    return [
        cell
        for x, y, v in person.points
        for cell in ((plain(x - 0.5), plain(y - 0.5), str(v)) if v > 0 else ("", "", "0"))
    ]


def _lines(path: Path) -> tuple[list[str], Iterator[Line]]:
    text = read_text(path)
    first = text.split("\n", 1)[0]
    try:
        reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count), strict=True)
        header = [cell.strip() for cell in next(reader, [])]
    except csv.Error as error:
        raise InputError(f"expected a table in {path}, line 1, found: {error}; correct it") from None
    if not any(header):
        raise InputError(f"expected a table with a header in {path}, found an empty file; give another")
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"expected every column once in {path}, line 1, found {twice!r} twice; rename or remove one")

    def rows() -> Iterator[Line]:
        try:
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) != len(header):
                    raise InputError(f"expected {len(header)} cells in {where}, found {len(row)}; correct the line")
                yield dict(zip(header, (cell.strip() for cell in row), strict=True)), where
        except csv.Error as error:
            raise InputError(f"expected a table in {path}, line {reader.line_num}, found: {error}") from None

    return header, rows()


def _wide(
    header: list[str], lines: Iterator[Line], path: Path
) -> tuple[tuple[str, ...], list[str], list[LabelledPerson]]:
    keypoints = tuple(name[:-2] for name in header if name.endswith("_x") and name != BOX[0])
    known = {"image", "person", *BOX, *(f"{point}_{axis}" for point in keypoints for axis in "xyv")}
    missing = [f"{point}_y" for point in keypoints if f"{point}_y" not in header]
    missing += [name for name in BOX if name not in header] if any(name in header for name in BOX) else []
    unknown = [name for name in header if name not in known]
    if missing or unknown or not keypoints:
        found = f"{unknown[0]!r}" if unknown else f"no {missing[0]!r}" if missing else "no <keypoint>_x"
        raise InputError(
            f"expected the columns image, person, {', '.join(BOX)} and <keypoint>_x, <keypoint>_y, <keypoint>_v in"
            f" {path}, line 1, found {found}; rename, add or remove columns"
        )
    places: dict[str, int] = {}
    people, seen = [], set()
    for cells, where in lines:
        image = places.setdefault(image_name(cells["image"], where), len(places))
        if not any(cell for k, cell in cells.items() if k != "image" and (cell != "0" or not k.endswith("_v"))):
            continue
        name = cells.get("person", "")
        if "person" in cells and (image, name) in seen:
            raise InputError(f"expected every person once in a picture, found {name!r} again in {where}; correct it")
        seen.add((image, name))
        points = tuple(
            _point(cells[f"{k}_x"], cells[f"{k}_y"], cells.get(f"{k}_v"), f"{where}, {k}") for k in keypoints
        )
        people.append(LabelledPerson(image, points, _box([cells.get(name, "") for name in BOX], where), name=name))
    return keypoints, list(places), people


def _long(
    header: list[str], lines: Iterator[Line], path: Path
) -> tuple[tuple[str, ...], list[str], list[LabelledPerson]]:
    unknown = [name for name in header if name not in LONG]
    missing = [name for name in ("x", "y") if name not in header]
    if unknown or missing:
        found = repr(unknown[0]) if unknown else f"no {missing[0]!r}"
        raise InputError(f"expected the columns {', '.join(LONG)} in {path}, line 1, found {found}; correct them")
    places: dict[str, int] = {}
    order: dict[str, int] = {}
    found_points: dict[tuple[int, str], dict[str, Point]] = {}
    for cells, where in lines:
        image = places.setdefault(image_name(cells["image"], where), len(places))
        if not cells["keypoint"] and not cells["x"] and not cells["y"]:
            continue
        if not cells["keypoint"]:
            raise InputError(f"expected a keypoint's name in {where}, found none; add it")
        order.setdefault(cells["keypoint"], len(order))
        own = found_points.setdefault((image, cells.get("person", "")), {})
        if cells["keypoint"] in own:
            raise InputError(
                f"expected every keypoint of a person once, found {cells['keypoint']!r} again in {where}; correct it,"
                " or tell the people apart in a column 'person'"
            )
        own[cells["keypoint"]] = _point(cells["x"], cells["y"], cells.get("v"), where)
    if not order:
        raise InputError(f"expected at least one keypoint in {path}, found none; give a table with lines")
    people = [
        LabelledPerson(image, tuple(own.get(name, UNLABELLED) for name in order), name=name)
        for (image, name), own in found_points.items()
    ]
    return tuple(order), list(places), people


def _point(x: str, y: str, v: str | None, where: str) -> Point:
    visibility = flag(v, where) if v else None
    if visibility == 0 or (not x and not y and not visibility):
        return UNLABELLED
    return number(x, where) + 0.5, number(y, where) + 0.5, 2 if visibility is None else visibility


def _box(cells: list[str], where: str) -> Box | None:
    if not any(cells):
        return None
    x, y, width, height = (number(cell, f"{where}, {name}") for cell, name in zip(cells, BOX, strict=True))
    if width <= 0 or height <= 0:
        raise InputError(f"expected a box of positive width and height in {where}, found {width:g} x {height:g}")
    return x, y, x + width, y + height
