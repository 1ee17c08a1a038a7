"""Label Studio's JSON export (not JSON-MIN): tasks with ``keypointlabels`` and ``rectanglelabels``.

Places are per cent of the picture's width and height, continuous: 0 is the left or top edge, 100 the right or bottom
one, so no half pixel is added and nothing outside the picture can be held. Whose keypoint it is:

1. the rectangle that is its parent (``parentID``, the tree of regions);
2. else the smallest rectangle it lies in;
3. in a picture without rectangles all keypoints are one person's.

A region's choice ``occluded`` (a per-region ``Choices``) marks a hidden keypoint. Of several annotations of a task the
one marked as ground truth counts, else the first that was not cancelled; predictions are passed over.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from poserior.errors import InputError
from poserior.formats.record import (
    UNLABELLED,
    Annotations,
    Box,
    LabelledImage,
    LabelledPerson,
    Point,
    fits,
    sizes_needed,
)
from poserior.formats.values import image_name, listing, mapping, number, write_json
from poserior.json_files import read_json

SUFFIX = ".json"

SLACK = 0.01  # per cent: rounding
_PICTURES = ("image", "img", "picture", "photo", "url")
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")


def recognises(path: Path, content: Any) -> bool:  # noqa: ARG001
    """Whether a JSON file's content is a list of tasks."""
    return isinstance(content, list) and bool(content) and isinstance(content[0], dict) and "data" in content[0]


def read(path: str | Path, images: Path | None = None, category: str | None = None) -> Annotations:  # noqa: ARG001
    """The keypoints of an export. Keypoints are in the order in which their labels first appear.

    Args:
        path: the JSON file.
        images: not needed.
        category: the rectangles' label to take; None for all.

    Raises:
        InputError: it is JSON-MIN or no export, a place is outside 0 to 100, a keypoint cannot be given to one person.
    """
    tasks = listing(read_json(path), f"{path}")
    if tasks and isinstance(tasks[0], dict) and "data" not in tasks[0]:
        raise InputError(f"expected tasks with 'data' in {path}, found none: JSON-MIN? Export again as JSON")
    pictures, drafts, ignored, spare = [], [], 0, 0
    for n, task in enumerate(tasks):
        where = f"{path}, task {task.get('id', n) if isinstance(task, dict) else n!r}"
        task = mapping(task, where)
        results, others = _results(task, where)
        spare += others
        regions = _Regions(where)
        for result in results:
            ignored += not regions.add(mapping(result, where))
        pictures.append(LabelledImage(_picture(mapping(task.get("data"), where), where), regions.size))
        drafts += [(n, draft) for draft in regions.people()]
    names = tuple(dict.fromkeys(name for _, draft in drafts for name in draft.points))
    kinds = list(dict.fromkeys(draft.kind for _, draft in drafts if draft.kind)) or ["object"]
    if category is not None and category not in kinds:
        raise InputError(f"expected rectangles labelled {category!r} in {path}, found {', '.join(kinds):.200}")
    if not names:
        raise InputError(f"expected at least one region of type keypointlabels in {path}, found none; label some")
    people = [
        LabelledPerson(
            n,
            tuple(draft.points.get(name, UNLABELLED) for name in names),
            draft.box,
            category=kinds.index(draft.kind) if draft.kind and category is None else 0,
        )
        for n, draft in drafts
        if category is None or draft.kind == category
    ]
    notes = [f"{ignored} regions that are neither keypoints nor rectangles"] if ignored else []
    notes += [f"{spare} further annotations of the same tasks"] if spare else []
    chosen = tuple(kinds) if category is None else (category,)
    return Annotations(tuple(pictures), tuple(people), names, categories=chosen, notes=tuple(notes))


def write(annotations: Annotations, path: str | Path) -> None:
    """Write tasks that Label Studio imports; pictures as files of its local storage."""
    sizes_needed(annotations, "label-studio")
    annotations, _ = fits(annotations)
    tasks = []
    for n, (image, people) in enumerate(zip(annotations.images, annotations.people_by_image(), strict=True)):
        size = image.size or (1, 1)
        results = [
            result
            for k, person in enumerate(people)
            for result in _write_person(person, f"{n + 1}-{k + 1}", size, annotations)
        ]
        data = {"image": f"/data/local-files/?d={quote(image.name)}"}
        tasks.append({"id": n + 1, "data": data, "annotations": [{"result": results}]})
    write_json(Path(path), tasks)


def lost(annotations: Annotations) -> list[str]:
    """What the tasks cannot hold."""
    return [
        *(["areas"] if any(person.area is not None for person in annotations.people) else []),
        *(["edges"] if annotations.edges else []),
        *(["mirror pairs"] if annotations.flip_pairs else []),
        *(["people's names"] if any(person.name for person in annotations.people) else []),
        *fits(annotations)[1],
    ]


@dataclass
class _Draft:
    """A person that is being put together."""

    kind: str = ""
    box: Box | None = None
    points: dict[str, Point] = field(default_factory=dict)


class _Regions:
    """The regions of one task."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.size: tuple[int, int] | None = None
        self._boxes: dict[str, _Draft] = {}
        self._points: list[tuple[str, float, float, str, str | None]] = []
        self._hidden: set[str] = set()

    def add(self, result: dict[str, Any]) -> bool:
        """Take a region in; False if it is of another kind."""
        kind, key = result.get("type"), str(result.get("id", ""))
        if kind == "choices":
            chosen = mapping(result.get("value"), self.where).get("choices")
            if chosen == ["occluded"]:
                self._hidden.add(key)
            return chosen == ["occluded"]
        if kind not in ("keypointlabels", "rectanglelabels"):
            return False
        self._take_size(result)
        value = mapping(result.get("value"), f"{self.where}, region {key}")
        labels = value.get(str(kind))
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str) or not labels[0]:
            raise InputError(
                f"expected one label of every region in {self.where}, found {labels!r:.60} in region {key}; correct it"
            )
        if kind == "rectanglelabels":
            if key in self._boxes or not key:
                raise InputError(f"expected an id of its own for every rectangle in {self.where}, found {key!r} twice")
            self._boxes[key] = _Draft(labels[0], self._box(value))
        else:
            x, y = self._pixels(self._percent(value, "x"), self._percent(value, "y"))
            parent = result.get("parentID")
            self._points.append((labels[0], x, y, key, parent if isinstance(parent, str) else None))
        return True

    def people(self) -> list[_Draft]:
        """Everybody, each keypoint with its owner."""
        alone = _Draft()
        for label, x, y, key, parent in self._points:
            owner = alone if not self._boxes else self._owner(label, x, y, parent)
            if label in owner.points:
                raise InputError(
                    f"expected every keypoint of a person once in {self.where}, found {label!r} twice in"
                    f" {'a picture without rectangles' if owner is alone else 'one rectangle'}; draw a rectangle around"
                    " each person, or make keypoints its children"
                )
            owner.points[label] = (x, y, 1 if key and key in self._hidden else 2)
        return [*self._boxes.values(), *([alone] if alone.points else [])]

    def _owner(self, label: str, x: float, y: float, parent: str | None) -> _Draft:
        if parent in self._boxes:
            return self._boxes[parent]
        around = [
            draft
            for draft in self._boxes.values()
            if draft.box and draft.box[0] <= x <= draft.box[2] and draft.box[1] <= y <= draft.box[3]
        ]
        if not around:
            raise InputError(
                f"expected every keypoint in a rectangle in {self.where}, found {label!r} at {x:.1f}, {y:.1f} outside"
                " all of them; make it a rectangle's child or widen the rectangle"
            )
        return min(around, key=lambda draft: _area(draft.box))

    def _take_size(self, result: dict[str, Any]) -> None:
        sides = [number(result.get(f"original_{side}"), f"{self.where}, {side}") for side in ("height", "width")]
        size = (int(sides[0]), int(sides[1]))
        if min(sides) < 1 or self.size not in (None, size):
            raise InputError(f"expected one original size of the picture in {self.where}, found {size}, {self.size}")
        if number(result.get("image_rotation") or 0, f"{self.where}, image_rotation") % 360:
            raise InputError(f"expected no turned picture in {self.where}, found image_rotation; turn it back")
        self.size = size

    def _percent(self, value: dict[str, Any], key: str) -> float:
        found = number(value.get(key), f"{self.where}, {key}")
        if not -SLACK <= found <= 100 + SLACK:
            raise InputError(f"expected {key} from 0 to 100 per cent in {self.where}, found {found:g}; correct it")
        return found

    def _pixels(self, x: float, y: float) -> tuple[float, float]:
        height, width = self.size or (1, 1)
        return x / 100 * width, y / 100 * height

    def _box(self, value: dict[str, Any]) -> Box:
        """Two corners; of a turned rectangle (degrees, about its first corner) those of its hull."""
        x, y = self._pixels(self._percent(value, "x"), self._percent(value, "y"))
        width, height = self._pixels(self._percent(value, "width"), self._percent(value, "height"))
        if width <= 0 or height <= 0:
            raise InputError(f"expected rectangles of positive width and height in {self.where}, found one of none")
        angle = math.radians(number(value.get("rotation") or 0, f"{self.where}, rotation"))
        cos, sin = math.cos(angle), math.sin(angle)
        corners = [(a * cos - b * sin, a * sin + b * cos) for a in (0, width) for b in (0, height)]
        xs, ys = [x + a for a, _ in corners], [y + b for _, b in corners]
        return min(xs), min(ys), max(xs), max(ys)


def _area(box: Box | None) -> float:
    return 0.0 if box is None else (box[2] - box[0]) * (box[3] - box[1])


def _results(task: dict[str, Any], where: str) -> tuple[list[Any], int]:
    """The regions that count, and how many other annotations there are."""
    given = task["annotations"] if "annotations" in task else task.get("completions", [])
    found = [mapping(entry, where) for entry in listing(given, f"{where}, annotations")]
    kept = [entry for entry in found if not entry.get("was_cancelled")]
    if not kept:
        return [], 0
    chosen = next((entry for entry in kept if entry.get("ground_truth")), kept[0])
    return listing(chosen.get("result"), f"{where}, result"), len(kept) - 1


def _picture(data: dict[str, Any], where: str) -> str:
    """The picture's name: of a local file its path, of an upload the name it had, of a link its last part."""
    texts = [data[key] for key in (*_PICTURES, *data) if isinstance(data.get(key), str)]
    if not texts:
        raise InputError(f"expected a picture's path under 'data' of {where}, found none; export with the pictures")
    try:
        link = urlsplit(texts[0])
        local = parse_qs(link.query).get("d", [""])[0]
    except ValueError:
        raise InputError(f"expected a picture's path under 'data' of {where}, found {texts[0]!r:.80}") from None
    if local:
        return image_name(local.lstrip("/"), where)
    name = unquote(link.path)
    if link.scheme or link.netloc or name.startswith("/"):
        name = name.rsplit("/", 1)[-1]
    return image_name(_UPLOADED.sub("", name) if "/upload/" in link.path else name, where)


def _write_person(
    person: LabelledPerson, key: str, size: tuple[int, int], annotations: Annotations
) -> Iterator[dict[str, Any]]:
    height, width = size
    common = {"to_name": "image", "original_width": width, "original_height": height, "image_rotation": 0}
    x0, y0, x1, y1 = person.box_xyxy or (0.0, 0.0, 0.0, 0.0)
    box = {"x": 100 * x0 / width, "y": 100 * y0 / height, "rotation": 0}
    box |= {"width": 100 * (x1 - x0) / width, "height": 100 * (y1 - y0) / height}
    kind = annotations.categories[person.category]
    yield {
        "id": key,
        "type": "rectanglelabels",
        "from_name": "box",
        **common,
        "value": {**box, "rectanglelabels": [kind]},
    }
    for name, (x, y, v) in zip(annotations.keypoints, person.points, strict=True):
        if v == 0:
            continue
        place = {"x": 100 * x / width, "y": 100 * y / height, "width": 0.5}
        own = {"id": f"{key}-{name}", "parentID": key, **common}
        yield {**own, "type": "keypointlabels", "from_name": "keypoints", "value": {**place, "keypointlabels": [name]}}
        if v == 1:
            yield {**own, "type": "choices", "from_name": "visibility", "value": {**place, "choices": ["occluded"]}}
