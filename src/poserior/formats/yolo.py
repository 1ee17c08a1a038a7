"""YOLO-pose: ``data.yaml``, pictures in ``images/`` and one text file per picture in ``labels/``.

A line is ``class  cx cy width height  x y [v]  x y [v] ...``: continuous coordinates divided by the picture's width and
height, 0 its left or top edge, 1 its right or bottom edge. So the pictures' sizes are needed both ways, nothing outside
the picture can be held, and no half pixel is added. ``0 0`` is a keypoint that nobody placed, also in files without
visibilities (``kpt_shape: [K, 2]``).
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from poserior.errors import InputError
from poserior.formats.pictures import SUFFIXES, picture_size
from poserior.formats.record import UNLABELLED, Annotations, LabelledImage, LabelledPerson, Point, fits, sizes_needed
from poserior.formats.values import flag, image_name, number, read_text, write_text
from poserior.skeletons import mirror_pairs

SUFFIX = ""

SLACK = 0.01  # labels this far outside come from rounding and are common
PARTS = ("train", "val", "test")


def recognises(path: Path, content: Any) -> bool:  # noqa: ARG001
    """Whether a YAML file's content describes a set of poses."""
    return isinstance(content, dict) and "kpt_shape" in content


def read(path: str | Path, images: Path | None = None, category: str | None = None) -> Annotations:
    """The keypoints of a YOLO-pose data set.

    Pictures of ``train``, ``val`` and ``test`` are looked for below the folder of ``data.yaml``, joined with its
    ``path`` if that leads further down, and nowhere else.

    Args:
        path: ``data.yaml`` or the folder it lies in.
        images: the folder to look in instead.
        category: a class's name or number; None for all classes.

    Raises:
        InputError: the description is incomplete, a line has another number of values or one outside the picture, a
            picture is missing.
    """
    file = _description(Path(path))
    content = _parse(file)
    count, width = _shape(content.get("kpt_shape"), file)
    classes = _classes(content.get("names"), file)
    root = _root(content.get("path"), file) if images is None else images
    # where val is train once more (small sets do that), its pictures are training data
    parts = [part for n, part in enumerate(PARTS) if content.get(part) not in [content.get(p) for p in PARTS[:n]]]
    listed = [
        (picture, part)
        for part in parts
        if content.get(part)
        for place in _places(content[part], f"{part!r} of {file}")
        for picture in _pictures(root, place, file)
    ]
    if not listed:
        raise InputError(f"expected pictures under train, val or test of {file}, found none in {root}; correct it")
    whole = all(PurePosixPath(picture).parts[0] == "images" for picture, _ in listed)
    pictures, people = [], []
    for n, (picture, part) in enumerate(listed):
        size = picture_size(root / picture)[0]
        name = str(PurePosixPath(picture).relative_to("images")) if whole else picture
        pictures.append(LabelledImage(name, size, part))
        labels = root / _label_file(picture)
        for line, text in enumerate(read_text(labels).splitlines() if labels.is_file() else ()):
            if text.strip():
                people.append(
                    _person(text.split(), n, size, (count, width), len(classes), f"{labels}, line {line + 1}")
                )
    names, named = _keypoint_names(content.get("kpt_names"), count, file)
    found = Annotations(
        tuple(pictures),
        tuple(people),
        names,
        flip_pairs=_flip_pairs(content.get("flip_idx"), names, file),
        categories=tuple(classes),
        named=named,
    )
    return found if category is None else _only(found, category, file)


def write(annotations: Annotations, path: str | Path) -> None:
    """Write ``labels/``, lists of pictures (``train.txt``, ``val.txt``) and ``data.yaml`` into a folder.

    The pictures belong into ``images/`` beside them. Annotations without parts are all training data.
    """
    root = Path(path)
    sizes_needed(annotations, "yolo")
    annotations, _ = fits(annotations)
    if (root / "labels").exists():
        raise InputError(f"expected no labels/ in {root}, found some; choose another folder or remove them")
    parts: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for image, people in zip(annotations.images, annotations.people_by_image(), strict=True):
        picture = f"images/{image.name}"
        label = _label_file(picture)
        if label in texts:
            raise InputError(f"expected pictures whose names differ before the dot, found two of {label}; rename one")
        height, width = image.size or (1, 1)
        texts[label] = "".join(f"{_line(person, width, height)}\n" for person in people)
        parts.setdefault(image.part or "train", []).append(f"./{picture}\n")
    for name, text in texts.items():
        write_text(root / name, text)
    for part, lines_of in parts.items():
        write_text(root / f"{part}.txt", "".join(lines_of))
    description = _describe(annotations, list(parts))
    write_text(root / "data.yaml", yaml.safe_dump(description, sort_keys=False, default_flow_style=None, width=110))


def lost(annotations: Annotations) -> list[str]:
    """What the format cannot hold."""
    return [
        *(["areas"] if any(person.area is not None for person in annotations.people) else []),
        *(["edges"] if annotations.edges else []),
        *(["people's names"] if any(person.name for person in annotations.people) else []),
        *fits(annotations)[1],
    ]


def _describe(annotations: Annotations, parts: Iterable[str]) -> dict[str, Any]:
    names = annotations.keypoints
    pairs = mirror_pairs(names) if annotations.flip_pairs is None else annotations.flip_pairs
    flipped = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
    given = {part: f"{part}.txt" for part in parts}
    return {
        **({"val": given["train"]} if "val" not in given and "train" in given else {}),
        **given,
        "kpt_shape": [len(names), 3],
        "flip_idx": [names.index(flipped.get(name, name)) for name in names],
        "names": dict(enumerate(annotations.categories)),
        "kpt_names": {n: list(names) for n in range(len(annotations.categories))},
    }


def _line(person: LabelledPerson, width: int, height: int) -> str:
    x0, y0, x1, y1 = person.box_xyxy or (0.0, 0.0, 0.0, 0.0)
    values = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
    cells = [f"{x / width:.8g} {y / height:.8g} {v}" if v > 0 else "0 0 0" for x, y, v in person.points]
    return " ".join([str(person.category), *(f"{value:.8g}" for value in values), *cells])


def _person(
    cells: list[str], image: int, size: tuple[int, int], shape: tuple[int, int], classes: int, where: str
) -> LabelledPerson:
    (height, width), (count, each) = size, shape
    if len(cells) != 5 + count * each:
        raise InputError(
            f"expected {5 + count * each} values (class, box, {count} keypoints of {each}) in {where}, found"
            f" {len(cells)}; correct the line or kpt_shape"
        )
    kind = number(cells[0], where, "a class's number")
    if kind not in range(classes):
        raise InputError(f"expected a class from 0 to {classes - 1} in {where}, found {cells[0]}; add it to 'names'")
    cx, cy, w, h = (_share(cell, where) for cell in cells[1:5])
    if w <= 0 or h <= 0:
        raise InputError(f"expected a box of positive width and height in {where}, found {w:g} x {h:g}; correct it")
    box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
    points = [_point(cells[n : n + each], width, height, where) for n in range(5, len(cells), each)]
    return LabelledPerson(image, tuple(points), box, category=int(kind))


def _point(cells: list[str], width: int, height: int, where: str) -> Point:
    visibility = flag(cells[2], where) if len(cells) > 2 else 2
    x, y = _share(cells[0], where), _share(cells[1], where)
    if visibility == 0 or (x == 0 and y == 0):
        return UNLABELLED
    return x * width, y * height, visibility


def _share(cell: str, where: str) -> float:
    value = number(cell, where)
    if not -SLACK <= value <= 1 + SLACK:
        raise InputError(f"expected a share of the picture's side, from 0 to 1, in {where}, found {cell}; correct it")
    return value


def _description(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = [file for file in (path / "data.yaml", path / "data.yml", path / "dataset.yaml") if file.is_file()]
    if not files:
        raise InputError(f"expected data.yaml in {path}, found none; name the file that has kpt_shape")
    return files[0]


def _parse(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: e.g. an impossible date
        raise InputError(f"expected YAML in {file}, found: {' '.join(str(error).split())}; correct it") from None
    if not isinstance(content, dict):
        raise InputError(f"expected train, val, kpt_shape and names in {file}, found none; is it YOLO's format?")
    return content


def _shape(given: Any, file: Path) -> tuple[int, int]:
    good = isinstance(given, list) and len(given) == 2 and all(type(number) is int for number in given)
    if not good or not 1 <= given[0] <= 10_000 or given[1] not in (2, 3):
        raise InputError(f"expected kpt_shape: [K, 2] or [K, 3] in {file}, found {given!r:.60}; correct it")
    return given[0], given[1]


def _classes(given: Any, file: Path) -> list[str]:
    if isinstance(given, dict) and given and sorted(given, key=str) == sorted(range(len(given)), key=str):
        return [str(given[n]) for n in range(len(given))]
    if isinstance(given, list) and given:
        return list(map(str, given))
    raise InputError(f"expected the classes' names under 'names' of {file}, found {given!r:.60}; add them from 0 on")


def _keypoint_names(given: Any, count: int, file: Path) -> tuple[tuple[str, ...], bool]:
    names = next(iter(given.values()), None) if isinstance(given, dict) else given
    if names is None:
        return tuple(f"keypoint_{k + 1}" for k in range(count)), False
    if not isinstance(names, list) or len(names) != count:
        raise InputError(f"expected {count} names under 'kpt_names' of {file}, found {names!r:.80}; correct them")
    return tuple(map(str, names)), True


def _flip_pairs(given: Any, names: tuple[str, ...], file: Path) -> tuple[tuple[str, str], ...] | None:
    if given is None or given == []:
        return None
    good = isinstance(given, list) and all(type(k) is int for k in given) and sorted(given) == list(range(len(names)))
    if not good or any(given[given[k]] != k for k in given):
        raise InputError(
            f"expected under 'flip_idx' of {file} for each of {len(names)} keypoints its mirror image, found"
            f" {given!r:.80}; correct it"
        )
    return tuple((names[k], names[other]) for k, other in enumerate(given) if k < other)


def _root(given: Any, file: Path) -> Path:
    folder = file.parent
    if isinstance(given, str) and given and not Path(given).is_absolute() and ".." not in Path(given).parts:
        deeper = folder / given
        return deeper if deeper.is_dir() else folder
    return folder


def _places(given: Any, where: str) -> list[str]:
    places = given if isinstance(given, list) else [given]
    for place in places:
        if not isinstance(place, str):
            raise InputError(f"expected a folder or a list of folders under {where}, found {place!r:.60}; correct it")
    # "../train/images" is what some tools write for a folder beside data.yaml
    return [place[3:] if place.startswith("../") else place for place in places]


def _pictures(root: Path, place: str, file: Path) -> list[str]:
    inside = image_name(place, f"{file}")
    path = root / inside
    if path.is_file() and path.suffix == ".txt":
        names = [image_name(line, f"{path}, line {n + 1}") for n, line in _filled(read_text(path))]
        missing = next((name for name in names if not (root / name).is_file()), None)
        if missing is not None:
            raise InputError(f"expected the pictures that {path} lists in {root}, found none at {missing}; restore it")
        return names
    if not path.is_dir():
        raise InputError(
            f"expected the pictures' folder at {path}, found none; correct {file}, or give the folder it starts from as"
            " --images"
        )
    files = sorted(picture for picture in path.rglob("*") if picture.suffix.lower() in SUFFIXES and picture.is_file())
    return [picture.relative_to(root).as_posix() for picture in files]


def _filled(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines()) if line.strip()]


def _label_file(picture: str) -> str:
    """``images/a/b.jpg`` is labelled in ``labels/a/b.txt``.

    >>> _label_file("train/images/b.jpg"), _label_file("b.jpg")
    ('train/labels/b.txt', 'b.txt')
    """
    parts = list(PurePosixPath(picture).with_suffix(".txt").parts)
    last = next((n for n in reversed(range(len(parts))) if parts[n] == "images"), None)
    if last is not None:
        parts[last] = "labels"
    return "/".join(parts)


def _only(found: Annotations, category: str, file: Path) -> Annotations:
    kinds = [n for n, name in enumerate(found.categories) if category in (name, str(n))]
    if not kinds:
        raise InputError(f"expected {category!r} under 'names' of {file}, found {', '.join(found.categories):.200}")
    people = [replace(person, category=0) for person in found.people if person.category == kinds[0]]
    return replace(found, people=tuple(people), categories=(found.categories[kinds[0]],))
