"""The one record that every format is read into and written from.

Coordinates are the library's: continuous pixels, the origin at the corner of the first pixel, so that the centre of
pixel j is j + 0.5. Each format's file says what its own numbers mean and converts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poserior.areas import BOX_TO_AREA
from poserior.errors import InputError

Point = tuple[float, float, int]
"""x, y in continuous pixels and COCO's visibility; ``UNLABELLED`` where nobody placed it."""

Box = tuple[float, float, float, float]
"""Two corners in continuous pixels."""

UNLABELLED: Point = (0.0, 0.0, 0)

HULL_PADDING, LEAST_PADDING = 0.15, 4.0


@dataclass(frozen=True)
class LabelledImage:
    """One picture.

    Attributes:
        name: its path from the image folder, with ``/``.
        size: ``(H, W)`` of the stored pixels; None where the file does not say.
        part: "train", "val", ... where the file says; else empty.
        id: what the file calls it, if it has a number or a text for it.
    """

    name: str
    size: tuple[int, int] | None = None
    part: str = ""
    id: int | str | None = None


@dataclass(frozen=True)
class LabelledPerson:
    """One person, animal or thing.

    Attributes:
        image: position of its picture in `Annotations.images`.
        points: K keypoints.
        box_xyxy: None where the file has none; see `hull_box`.
        area: square pixels; None where the file has none: then it is 0.53 of the box's.
        crowd: a region of many, in COCO's sense; not to be trained on.
        name: who it is (an individual, a track), if the file says.
        category: position in `Annotations.categories`.
        id: the annotation's number, if it has one.
    """

    image: int
    points: tuple[Point, ...]
    box_xyxy: Box | None = None
    area: float | None = None
    crowd: bool = False
    name: str = ""
    category: int = 0
    id: int | None = None

    @property
    def labelled(self) -> tuple[tuple[float, float], ...]:
        """The places of the keypoints that somebody placed."""
        return tuple((x, y) for x, y, flag in self.points if flag > 0)


@dataclass(frozen=True)
class Annotations:
    """Everything a file of keypoint annotations says.

    Attributes:
        images: the pictures, also those in which nobody is labelled.
        people: the labelled people.
        keypoints: the K names, in the order of every person's `points`.
        edges: limbs as pairs of 0-based indices.
        flip_pairs: pairs of names that a mirror image exchanges; None where the file does not say.
        categories: what the things are called; all have the same keypoints.
        named: False where the file knows no names for its keypoints (``keypoint_1`` ... stand in).
        notes: what the reader left out, for the user.

    Raises:
        InputError: no keypoints, names or pictures that are there twice, or another number of keypoints in a person.
    """

    images: tuple[LabelledImage, ...]
    people: tuple[LabelledPerson, ...]
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()
    flip_pairs: tuple[tuple[str, str], ...] | None = None
    categories: tuple[str, ...] = ("object",)
    named: bool = True
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.keypoints or not all(self.keypoints):
            raise InputError("expected at least one keypoint, each with a name, found none; name the keypoints")
        if twice := _repeated(self.keypoints):
            raise InputError(f"expected names of keypoints that all differ, found {twice!r} twice; correct the names")
        if twice := _repeated([image.name for image in self.images]):
            raise InputError(f"expected every picture once, found {twice!r} twice; join or rename them")
        for person in self.people:
            if len(person.points) != len(self.keypoints):
                raise InputError(
                    f"expected {len(self.keypoints)} keypoints of every person, found {len(person.points)} in"
                    f" {self.images[person.image].name}; correct the file"
                )

    def people_by_image(self) -> list[list[LabelledPerson]]:
        """The people of each picture, in order."""
        lists: list[list[LabelledPerson]] = [[] for _ in self.images]
        for person in self.people:
            lists[person.image].append(person)
        return lists

    def take(self, indices: Sequence[int]) -> "Annotations":
        """The pictures at these positions, with their people."""
        place = {index: position for position, index in enumerate(indices)}
        people = [replace(person, image=place[person.image]) for person in self.people if person.image in place]
        return replace(self, images=tuple(self.images[index] for index in indices), people=tuple(people))

    def parts(self) -> dict[str, "Annotations"]:
        """The annotations of each part (``train``, ``val``, ...); one nameless part where the file names none."""
        members: dict[str, list[int]] = {}
        for index, image in enumerate(self.images):
            members.setdefault(image.part, []).append(index)
        return {part: self.take(indices) for part, indices in members.items()}


def hull_box(points: Sequence[tuple[float, float]], size: tuple[int, int] | None) -> Box:
    """The box that stands in where a format has none: around the labelled keypoints, and some more.

    On each side it is wider than their hull by 15 % of the hull's longer side, at least by 4 pixels, for the outermost
    keypoints lie inside the thing. It is cut to the picture where the picture's size is known and they meet.

    >>> hull_box([(100.0, 50.0), (140.0, 70.0)], (480, 640))
    (94.0, 44.0, 146.0, 76.0)
    """
    (left, top), (right, bottom) = (tuple(pick(axis) for axis in zip(*points, strict=True)) for pick in (min, max))
    pad = max(HULL_PADDING * max(right - left, bottom - top), LEAST_PADDING)
    box = (left - pad, top - pad, right + pad, bottom + pad)
    return box if size is None or (cut := cut_box(box, size)) is None else cut


def cut_box(box: Box, size: tuple[int, int]) -> Box | None:
    """The part of a box inside a picture of ``(H, W)`` pixels; None if there is none."""
    height, width = size
    cut = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height)))
    return cut if cut[0] < cut[2] and cut[1] < cut[3] else None


def with_boxes(annotations: Annotations) -> Annotations:
    """The same, where everybody who has a labelled keypoint has a box, and everybody with a box an area."""
    people = []
    for person in annotations.people:
        box, area = person.box_xyxy, person.area
        if box is None and person.labelled:
            box = hull_box(person.labelled, annotations.images[person.image].size)
        if box is not None and area is None:
            area = BOX_TO_AREA * (box[2] - box[0]) * (box[3] - box[1])
        people.append(replace(person, box_xyxy=box, area=area))
    return replace(annotations, people=tuple(people))


def is_inside(x: float, y: float, size: tuple[int, int]) -> bool:
    """Whether a point lies in a picture of ``(H, W)`` pixels, its edge included."""
    return 0 <= x <= size[1] and 0 <= y <= size[0]


def fits(annotations: Annotations) -> tuple[Annotations, list[str]]:
    """What is left in formats that hold nothing outside a picture and nobody without a box, and what is lost by it.

    Sizes must be known, see `sizes_needed`; missing boxes are made up as `with_boxes` says.
    """
    people, outside, cut, gone = [], 0, 0, 0
    for person in with_boxes(annotations).people:
        size = annotations.images[person.image].size or (0, 0)
        box = None if person.box_xyxy is None or person.crowd else cut_box(person.box_xyxy, size)
        if box is None:
            gone += 1
            continue
        points = tuple(point if is_inside(point[0], point[1], size) else UNLABELLED for point in person.points)
        outside += len(person.labelled) - sum(point[2] > 0 for point in points)
        cut += box != person.box_xyxy
        people.append(replace(person, points=points, box_xyxy=box))
    losses = [
        *([f"{outside} keypoints outside their picture"] if outside else []),
        *([f"the parts of {cut} boxes outside their picture"] if cut else []),
        *([f"{gone} crowds and people without anything inside their picture"] if gone else []),
    ]
    return replace(annotations, people=tuple(people)), losses


def sizes_needed(annotations: Annotations, what: str) -> None:
    """Refuse to write a format of relative coordinates without the pictures' sizes."""
    unknown = next((image.name for image in annotations.images if image.size is None), None)
    if unknown is not None:
        raise InputError(
            f"expected the sizes of all pictures for the format {what}, found none of {unknown}; give --images"
        )


def _repeated(names: Sequence[str]) -> str | None:
    counts = Counter(names)
    return next((name for name in names if counts[name] > 1), None) if len(counts) < len(names) else None
