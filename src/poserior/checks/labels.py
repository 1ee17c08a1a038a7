"""A COCO keypoint file read with patience: what cannot be used becomes a finding, the rest becomes arrays."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from poserior.checks.finding import Finding, finding
from poserior.json_files import describe
from poserior.skeletons import Skeleton, join_annotations


@dataclass(frozen=True, eq=False)
class Labels:
    """The N annotated people and the M pictures of a file, as far as they could be understood.

    Attributes:
        names: the K keypoints' names; numbers as text where nobody names them.
        edges: the category's own ``skeleton`` entry, as it stands in the file; None if there is none.
        annotation: each person's id as the file has it, ``number i`` where it has none.
        picture: ``(N,)`` position of each person's picture; -1 if it is not listed.
        keypoints: ``(N, K, 3)`` as in the file (pixel indices); NaN where it holds no number, and everywhere for
            people without keypoints or with another count.
        box_xywh: ``(N, 4)``, NaN where there is none.
        area: ``(N,)``, NaN where there is none.
        count: ``(N,)`` the file's ``num_keypoints``, NaN where there is none.
        crowd: ``(N,)`` crowd regions.
        file: the M pictures' names, "" where there is none.
        size: ``(M, 2)`` height and width, NaN where there is none.
    """

    names: tuple[str, ...]
    edges: Any
    annotation: tuple[str, ...]
    picture: Int64[np.ndarray, "N"]
    keypoints: Float64[np.ndarray, "N K 3"]
    box_xywh: Float64[np.ndarray, "N 4"]
    area: Float64[np.ndarray, "N"]
    count: Float64[np.ndarray, "N"]
    crowd: Bool[np.ndarray, "N"]
    file: tuple[str, ...]
    size: Float64[np.ndarray, "M 2"]

    @property
    def labelled(self) -> Bool[np.ndarray, "N K"]:
        """Which keypoints are labelled, and are numbers."""
        return np.asarray((self.keypoints[..., 2] > 0) & np.isfinite(self.keypoints).all(-1))

    @property
    def size_of_person(self) -> Float64[np.ndarray, "N 2"]:
        """Height and width of each person's picture; NaN where unknown."""
        known = np.concatenate([self.size, np.full((1, 2), np.nan)])
        return np.asarray(known[self.picture])  # -1 is the last

    def people(self, which: Bool[np.ndarray, "N"] | Int64[np.ndarray, "_"] | Sequence[int]) -> Iterable[str]:
        """Names of people for examples: their own ids and their pictures."""
        chosen = np.asarray(which)
        for n in np.flatnonzero(chosen) if chosen.dtype == bool else chosen:
            picture = self.picture[n]
            yield f"annotation {self.annotation[n]}" + (f" in {self.file[picture]}" if picture >= 0 else "")


def read_labels(content: Any, skeleton: Skeleton | None = None) -> tuple[Labels, list[Finding]]:
    """The labels of a file's content, and what is wrong with its structure.

    Args:
        content: parsed JSON, of any kind.
        skeleton: what the keypoints should be; by default the names of the category with most annotations count.
    """
    findings: list[Finding] = []
    usable = isinstance(content, dict) and bool(content)
    tops = content if usable else {}
    if not usable:
        what = f"the file holds {describe(content)}, not an object with images, annotations and categories"
        findings += finding("structure", "error", what, [], "write COCO's keypoint format (poserior convert)", 1)
    images = _records(tops, "images", findings)
    rows = _records(tops, "annotations", findings)
    categories = _records(tops, "categories", findings)
    file, size, positions = _pictures(images, findings)
    rows, names, edges = _of_keypoints(rows, categories, skeleton, findings)

    ids = [_key(row.get("id")) for row in rows]
    repeated = [str(key) for key, times in Counter(key for key in ids if key is not None).items() if times > 1]
    advice = "number the annotations anew, each id once"
    findings += finding("ids", "error", "{} annotation ids occur more than once", repeated, advice, len(repeated))
    missing = ids.count(None)
    where = (f"number {n}" for n, key in enumerate(ids) if key is None)
    findings += finding("ids", "error", "{} annotations have no usable id", where, advice, missing)

    picture = np.array([positions.get(_key(row.get("image_id")), -1) for row in rows], np.int64)
    annotation = tuple(f"number {n}" if key is None else str(key) for n, key in enumerate(ids))
    labels = Labels(
        names=names,
        edges=edges,
        annotation=annotation,
        picture=picture,
        keypoints=_keypoints(rows, len(names)),
        box_xywh=_numbers([row.get("bbox") for row in rows], 4),
        area=_numbers([[row.get("area")] for row in rows], 1)[:, 0],
        count=_numbers([[row.get("num_keypoints")] for row in rows], 1)[:, 0],
        crowd=np.array([row.get("iscrowd") not in (None, 0, False) for row in rows], bool),
        file=file,
        size=size,
    )
    lost = picture < 0
    advice = "list the picture under images, or remove the annotation"
    what = "{} annotations belong to a picture (image_id) that the file does not list"
    findings += finding("ids", "error", what, labels.people(lost), advice, int(lost.sum()))
    findings += _counts(rows, labels)
    return labels, findings


def _records(content: dict[str, Any], key: str, findings: list[Finding]) -> list[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list):
        if content:
            what = f"there is no list under {key!r} at the top of the file"
            findings += finding("structure", "error", what, [], "write COCO's keypoint format (poserior convert)", 1)
        return []
    bad = [n for n, record in enumerate(found) if not isinstance(record, dict)]
    what = f"{{}} entries of {key!r} are no objects"
    where = (f"number {n}: {str(found[n])[:40]}" for n in bad)
    findings += finding("structure", "error", what, where, "remove them", len(bad))
    if not found:
        findings += finding("structure", "error", f"the list {key!r} is empty", [], "give the file of the labels", 1)
    return [record for record in found if isinstance(record, dict)]


def _pictures(
    images: list[dict[str, Any]], findings: list[Finding]
) -> tuple[tuple[str, ...], Float64[np.ndarray, "M 2"], dict[Any, int]]:
    positions: dict[Any, int] = {}
    repeated, missing, nameless = [], [], []
    for n, image in enumerate(images):
        key = _key(image.get("id"))
        if key is None:
            missing.append(f"number {n}")
        elif key in positions:
            repeated.append(str(key))
        else:
            positions[key] = n
        name = image.get("file_name")
        if not isinstance(name, str) or not name:
            nameless.append(f"number {n}")
    advice = "number the images anew, each id once"
    findings += finding("ids", "error", "{} image ids occur more than once", repeated, advice, len(repeated))
    findings += finding("ids", "error", "{} images have no usable id", missing, advice, len(missing))
    advice = "give each image its file_name"
    findings += finding("ids", "error", "{} images have no file name", nameless, advice, len(nameless))
    names = [image.get("file_name") for image in images]
    size = _numbers([[image.get("height"), image.get("width")] for image in images], 2)
    unsized = ~(size > 0).all(1) if len(size) else np.zeros(0, bool)
    where = (f"image {images[n].get('id')!r}" for n in np.flatnonzero(unsized))
    what = "{} images have no height and width, or none above 0"
    advice = "write them, then points and boxes can be checked against them"
    findings += finding("picture-sizes", "hint", what, where, advice, int(unsized.sum()))
    size[unsized] = np.nan
    return tuple(name if isinstance(name, str) else "" for name in names), size, positions


def _of_keypoints(
    rows: list[dict[str, Any]], categories: list[dict[str, Any]], skeleton: Skeleton | None, findings: list[Finding]
) -> tuple[list[dict[str, Any]], tuple[str, ...], Any]:
    """The annotations of one set of keypoints, its names, and its edges as the file has them."""
    known: dict[Any, tuple[str, ...]] = {}
    for category in categories:
        points = category.get("keypoints")
        if isinstance(points, list) and points:
            known[_key(category.get("id"))] = tuple(map(str, points))
    of_category = [_key(row.get("category_id")) for row in rows]
    many = Counter(known[key] for key in of_category if key in known)
    names = many.most_common(1)[0][0] if many else next(iter(known.values()), ())
    if skeleton is not None:
        findings += _unlike(names, skeleton)
        names = skeleton.keypoints
    same = {key for key, points in known.items() if points == names}
    plain = {_key(category.get("id")) for category in categories} - set(known)  # boxes without keypoints: no people
    others = [n for n, key in enumerate(of_category) if known.get(key, names) != names and skeleton is None]
    what = "{} annotations are of categories with other keypoints, and were not looked at"
    where = (f"category {of_category[n]}" for n in others)
    findings += finding("skeleton", "hint", what, where, "give each category a file of its own", len(others))
    unknown = [n for n, key in enumerate(of_category) if key not in known and key not in plain and known]
    what, where = "{} annotations have a category_id that the file does not list", (f"number {n}" for n in unknown)
    findings += finding("ids", "error", what, where, "list the category, or correct the annotations", len(unknown))
    skipped = set(others) | {n for n, key in enumerate(of_category) if key in plain and "keypoints" not in rows[n]}
    people = [row for n, row in enumerate(rows) if n not in skipped]
    if skeleton is not None:
        people = _joined(people, skeleton)
    if not names:
        lengths = Counter(len(p) // 3 for row in people if isinstance(p := row.get("keypoints"), list))
        count = lengths.most_common(1)[0][0] if lengths else 0
        names = tuple(str(n) for n in range(count))
        advice = "list the keypoints' names in the category, in the order of the numbers"
        findings += finding("skeleton", "warning", "no category names its keypoints", [], advice, 1)
    own = next((c.get("skeleton") for c in categories if _key(c.get("id")) in same and c.get("skeleton")), None)
    return people, names, own


def _joined(rows: list[dict[str, Any]], skeleton: Skeleton) -> list[dict[str, Any]]:
    """Whole-body parts under one key, where that is possible; broken ones show later as wrong counts."""
    joined = []
    for row in rows:
        try:
            joined += join_annotations([row], skeleton)
        except (ValueError, TypeError, KeyError, AttributeError):
            joined.append(row)
    return joined


def _unlike(names: tuple[str, ...], skeleton: Skeleton) -> list[Finding]:
    if not names or names == skeleton.keypoints or skeleton.parts:
        return []
    pairs = [f"{a} and {b}" for a, b in zip(names, skeleton.keypoints, strict=False) if a != b]
    pairs += [f"{len(names)} and {skeleton.num_keypoints} keypoints"] if len(names) != skeleton.num_keypoints else []
    advice = f"choose the --skeleton that these labels have, or reorder them as {skeleton.name} has them"
    what = f"the category names other keypoints than skeleton {skeleton.name}, {{}} in all"
    return finding("skeleton", "error", what, pairs, advice, len(pairs))


def _counts(rows: list[dict[str, Any]], labels: Labels) -> list[Finding]:
    expected = len(labels.names)
    none, wrong, odd = [], [], []
    for n, row in enumerate(rows):
        points = row.get("keypoints")
        if labels.crowd[n]:
            continue
        if points is None:
            none.append(n)
        elif not isinstance(points, list) or len(points) != 3 * expected:
            wrong.append(n)
            odd.append(len(points) if isinstance(points, list) else 0)
    common = ", ".join(f"{numbers} numbers {times:,} times" for numbers, times in Counter(odd).most_common(3))
    what = f"{{}} people have another number of keypoints than {expected} (x, y, v each: {3 * expected} numbers)"
    what += f": {common}" if common else ""
    advice = f"write all {expected} keypoints of every person, those not labelled as 0, 0, 0"
    found = finding("keypoint-count", "error", what, labels.people(wrong), advice, len(wrong))
    advice = "label them, or remove them from the file"
    return found + finding(
        "keypoint-count", "error", "{} people have no keypoints", labels.people(none), advice, len(none)
    )


def _keypoints(rows: list[dict[str, Any]], expected: int) -> Float64[np.ndarray, "N K 3"]:
    values = [row.get("keypoints") for row in rows]
    return _numbers(values, 3 * expected).reshape(len(rows), expected, 3)


def _numbers(values: Sequence[Any], width: int) -> Float64[np.ndarray, "N W"]:
    """Numbers as ``(N, width)``; NaN where a list has another length or an entry is none."""
    result = np.full((len(values), width), np.nan)
    for n, value in enumerate(values):
        if not isinstance(value, list) or len(value) != width:
            continue
        try:  # a bool or a text is no number, though Python and NumPy would take them for some
            result[n] = value if all(type(v) is int or type(v) is float for v in value) else [_number(v) for v in value]
        except OverflowError:
            result[n] = [_number(v) for v in value]
    return result


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floating point
        return math.inf


def _key(value: Any) -> Any:
    """An id as a key; None if it can be none."""
    return value if type(value) in (int, str) else int(value) if type(value) is float and value.is_integer() else None
