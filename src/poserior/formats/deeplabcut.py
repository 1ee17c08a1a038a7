"""DeepLabCut's ``CollectedData_<scorer>.csv``, of one animal or several.

The header's rows are ``scorer``, for several animals ``individuals``, ``bodyparts`` and ``coords``; a picture's path
stands in one column (``labeled-data/video/img0.png``) or in three. Coordinates are pixel indices (its tools draw the
centre of the first pixel at 0): half a pixel is added on reading and taken off on writing. An empty cell is a keypoint
that nobody placed; what is placed counts as visible. Individuals called ``single`` (points that are no animal's) are
left out.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from poserior.errors import InputError
from poserior.formats.record import UNLABELLED, Annotations, LabelledImage, LabelledPerson, Point
from poserior.formats.values import image_name, number, plain, read_text, write_text

SUFFIX = ".csv"

SCORER = "poserior"
_PATTERNS = ("CollectedData_*.csv", "*/CollectedData_*.csv", "labeled-data/*/CollectedData_*.csv")


def recognises(path: Path, content: Any) -> bool:  # noqa: ARG001
    """Whether a table's first row is DeepLabCut's."""
    return isinstance(content, list) and content[:1] == ["scorer"]


def tables(folder: Path) -> list[Path]:
    """The tables of a project, of its ``labeled-data`` or of one video's folder."""
    return sorted({file for pattern in _PATTERNS for file in folder.glob(pattern)})


def read(path: str | Path, images: Path | None = None, category: str | None = None) -> Annotations:  # noqa: ARG001
    """The keypoints of one table, or of all tables of a project.

    Args:
        path: the CSV, or a folder that has such tables (a project, its ``labeled-data``, one video's folder).
        images: not needed.
        category: what the things are called; "object" by default.

    Raises:
        InputError: a header row is missing, the table holds predictions, a number is none.
    """
    files = tables(Path(path)) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise InputError(f"expected CollectedData_*.csv in {path}, found none; give the project's folder")
    found = [_read_table(file, category or "object") for file in files]
    first = found[0]
    for file, other in zip(files, found, strict=True):
        if set(other.keypoints) != set(first.keypoints):
            raise InputError(
                f"expected the same bodyparts in all tables, found {', '.join(other.keypoints):.150} in {file} and"
                f" {', '.join(first.keypoints):.150} in {files[0]}; convert them one by one"
            )
    pictures: list[LabelledImage] = []
    people: list[LabelledPerson] = []
    for other in found:
        order = [other.keypoints.index(name) for name in first.keypoints]
        for person in other.people:
            moved = tuple(person.points[k] for k in order)
            people.append(replace(person, image=person.image + len(pictures), points=moved))
        pictures += other.images
    notes = tuple(dict.fromkeys(note for other in found for note in other.notes))
    return replace(first, images=tuple(pictures), people=tuple(people), notes=notes)


def write(annotations: Annotations, path: str | Path) -> None:
    """Write one table; with several people in a picture, or people with names, that of several animals."""
    by_image = annotations.people_by_image()
    several = any(len(people) > 1 for people in by_image) or any(person.name for person in annotations.people)
    own = [_individuals([person.name for person in people]) if several else [""] * len(people) for people in by_image]
    animals = list(dict.fromkeys(name for names in own for name in names)) or [""]
    folders = 3 if all(len(PurePosixPath(image.name).parts) == 3 for image in annotations.images) else 1
    columns = [(animal, name, axis) for animal in animals for name in annotations.keypoints for axis in "xy"]
    gap = [""] * (folders - 1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["scorer", *gap, *[SCORER] * len(columns)])
    if several:
        writer.writerow(["individuals", *gap, *(animal for animal, _, _ in columns)])
    writer.writerow(["bodyparts", *gap, *(name for _, name, _ in columns)])
    writer.writerow(["coords", *gap, *(axis for _, _, axis in columns)])
    for image, people, names in zip(annotations.images, by_image, own, strict=True):
        cells = {name: _cells(person.points) for name, person in zip(names, people, strict=True)}
        nothing = [""] * (2 * len(annotations.keypoints))
        start = PurePosixPath(image.name).parts if folders == 3 else [image.name]
        writer.writerow([*start, *(cell for animal in animals for cell in cells.get(animal, nothing))])
    write_text(Path(path), text.getvalue())


def lost(annotations: Annotations) -> list[str]:
    """What the table cannot hold."""
    people = annotations.people
    nobody = sum(not person.labelled for person in people)
    return [
        *(["boxes"] if any(person.box_xyxy is not None for person in people) else []),
        *(["areas"] if any(person.area is not None for person in people) else []),
        *(["which keypoints are hidden"] if any(point[2] == 1 for person in people for point in person.points) else []),
        *(["the pictures' sizes"] if any(image.size for image in annotations.images) else []),
        *(["edges"] if annotations.edges else []),
        *(["mirror pairs"] if annotations.flip_pairs else []),
        *(["categories"] if len(annotations.categories) > 1 else []),
        *(["the mark of crowds"] if any(person.crowd for person in people) else []),
        *([f"{nobody} people without a labelled keypoint"] if nobody else []),
    ]


def _individuals(given: list[str]) -> list[str]:
    whole = all(given) and len(set(given)) == len(given) and "single" not in given
    return given if whole else [f"animal{n + 1}" for n in range(len(given))]


def _cells(points: Iterable[Point]) -> list[str]:
    return [cell for x, y, v in points for cell in ((plain(x - 0.5), plain(y - 0.5)) if v > 0 else ("", ""))]


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        reader = csv.reader(io.StringIO(read_text(path)), strict=True)
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise InputError(f"expected a table in {path}, found: {error}; correct it") from None


def _read_table(path: Path, category: str) -> Annotations:
    rows = _rows(path)
    heads = [row[0] if row else "" for _, row in rows[:4]]
    several = heads == ["scorer", "individuals", "bodyparts", "coords"]
    if not several and heads[:3] != ["scorer", "bodyparts", "coords"]:
        raise InputError(
            f"expected rows scorer, [individuals], bodyparts, coords at the top of {path}, found"
            f" {', '.join(heads) or 'an empty file':.150}; is it CollectedData_<scorer>.csv?"
        )
    count = 4 if several else 3
    folders = next((n for n, cell in enumerate(rows[0][1]) if n and cell), len(rows[0][1]))
    header = [row[folders:] for _, row in rows[:count]]
    width = len(header[0])
    if folders not in (1, 3) or not width or any(len(row) != width for row in header):
        raise InputError(f"expected header rows of one length in {path}, with the path in 1 or 3 columns; correct it")
    animals, parts, axes = header[1] if several else [""] * width, header[-2], header[-1]
    if "likelihood" in axes:
        raise InputError(f"expected labels in {path}, found predictions (likelihood); give CollectedData_<scorer>.csv")
    names = tuple(dict.fromkeys(part for animal, part in zip(animals, parts, strict=True) if animal != "single"))
    columns = {key: n for n, key in enumerate(zip(animals, parts, axes, strict=True))}
    wanted = [(animal, part, axis) for animal, part in zip(animals, parts, strict=True) for axis in "xy"]
    if len(columns) != width or set(columns) != set(wanted) or not names:
        raise InputError(f"expected one x and one y of every bodypart in {path}, found other columns; correct them")
    pictures: list[LabelledImage] = []
    people: list[LabelledPerson] = []
    for line, row in rows[count:]:
        where = f"{path}, line {line}"
        if len(row) != folders + width:
            raise InputError(f"expected {folders + width} cells in {where}, found {len(row)}; correct the line")
        pictures.append(LabelledImage(image_name("/".join(row[:folders]), where)))
        cells = row[folders:]
        for animal in dict.fromkeys(name for name in animals if name != "single"):
            at = [(columns.get((animal, part, "x")), columns.get((animal, part, "y"))) for part in names]
            points = tuple(
                UNLABELLED if x is None or y is None else _point(cells[x], cells[y], f"{where}, {part}")
                for part, (x, y) in zip(names, at, strict=True)
            )
            if any(point[2] for point in points):
                people.append(LabelledPerson(len(pictures) - 1, points, name=animal))
    notes = ("the points of 'single', which are no animal's",) if "single" in animals else ()
    return Annotations(tuple(pictures), tuple(people), names, categories=(category,), notes=notes)


def _point(x: str, y: str, where: str) -> Point:
    empty = [cell.lower() in ("", "nan") for cell in (x, y)]
    return UNLABELLED if all(empty) else (number(x, where) + 0.5, number(y, where) + 0.5, 2)
