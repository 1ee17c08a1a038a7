"""COCO's keypoint format: JSON annotations beside a folder or an archive of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.datasets._json import column, entries, numbers, whole_numbers
from poserior.datasets._people import People, PeopleDataset, Pictures, labelled
from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA
from poserior.json_files import read_json, records
from poserior.pictures import open_images
from poserior.skeletons import Skeleton, join_annotations, load, part_keys


class CocoKeypoints(PeopleDataset):
    """People (or animals, or things) of a COCO keypoint file, one `Sample` each.

    As in the official protocol, crowd regions and people without a labelled keypoint are no samples; they stay in
    `coco_dict`, where the evaluation needs them. COCO's coordinates are pixel indices: half a pixel is added here.
    Boxes are cut to the picture. The object's area is the file's ``area`` (COCO: the mask's); where that is missing or
    0, it is 0.53 times the box's, the mean ratio over COCO's people. For a skeleton with COCO-WholeBody's parts
    (coco133) each part's keypoints may stand under a key of its own, as in COCO-WholeBody's files.

    Args:
        annotations: the ``.json`` or ``.json.gz`` file.
        images: a folder, an uncompressed ``.tar`` or a ``.zip``. A file name is looked for as a path from there, then
            by its last part alone.
        skeleton: a built-in skeleton's name, the path of a YAML file, or a `Skeleton`. If the category lists its
            keypoints' names, they must be the skeleton's, in order.
        category: a category's id or name; None takes all that list this skeleton's keypoints, or the only one.
        boxes: a JSON list of detections (COCO's results format: image_id, category_id, bbox, score). Then there is one
            unlabelled sample per detection, its area 0.53 times the box's, its annotation_id the position in the list.
        min_score: detections below are left out.
        max_boxes: of each picture's detections the so many best-scored ones count; None for all.
        skip_corrupt: decode every picture at once and leave out those that cannot be decoded (`num_skipped` people).

    Raises:
        InputError: a file is missing or not in the format, a count, coordinate or box is impossible; on access, a
            picture cannot be decoded or has another size than the annotations say.

    Attributes:
        annotation_file: the path given, for tools that read it themselves.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        skeleton: str | Path | Skeleton = "coco17",
        category: int | str | None = None,
        boxes: str | Path | None = None,
        min_score: float = 0.0,
        max_boxes: int | None = None,
        skip_corrupt: bool = False,
    ) -> None:
        self.annotation_file = Path(annotations)
        skeleton = skeleton if isinstance(skeleton, Skeleton) else load(skeleton)
        people, pictures, categories = read_coco(annotations, skeleton, category)
        if boxes is None:
            samples = people.take(labelled(people))
            if not len(samples):
                raise InputError(f"expected at least one person with a labelled keypoint in {annotations}, found none")
        else:
            samples = _read_boxes(boxes, pictures, categories, skeleton.num_keypoints, min_score, max_boxes)
        super().__init__(people, samples, pictures, open_images(images), skeleton, skip_corrupt, categories[0])


@dataclass(frozen=True, eq=False)
class CocoRows:
    """What a COCO file says of some categories.

    Attributes:
        rows: the annotations as the file has them, apart from joined parts of keypoints.
        category_id: ``(N,)`` theirs.
        pictures: all pictures of the file.
        categories: ids and names of those chosen.
        where: what messages call the annotations.
    """

    rows: list[dict[str, Any]]
    category_id: NDArray[np.int64]
    pictures: Pictures
    categories: list[tuple[int, str]]
    where: str


def read_coco(
    path: str | Path, skeleton: Skeleton, category: int | str | None = None
) -> tuple[People, Pictures, list[tuple[int, str]]]:
    """Everybody in a COCO keypoint file, the pictures, and the chosen categories' ids and names."""
    content = read_rows(path, skeleton, None if category is None else [category])
    return read_people(content, skeleton), content.pictures, content.categories


def read_rows(path: str | Path, skeleton: Skeleton | None, wanted: Sequence[int | str] | None) -> CocoRows:
    """The annotations of the categories `wanted` (ids or names), in that order; None: of all that fit the skeleton."""
    content = read_json(path)
    pictures = _read_pictures(entries(content, "images", path), f"'images' of {path}")
    categories = _choose_categories(entries(content, "categories", path), wanted, skeleton, path)
    chosen = {number for number, _ in categories}
    everything = entries(content, "annotations", path)
    where = f"'annotations' of {path}"
    of_category = whole_numbers(everything, column(everything, "category_id", where), "category_id", where).tolist()
    rows = [row for row, number in zip(everything, of_category, strict=True) if number in chosen]
    kept = np.array([number for number in of_category if number in chosen], np.int64)
    if skeleton is not None:
        rows = join_annotations(rows, skeleton)
    del content, everything  # a full COCO file holds gigabytes of outlines as Python objects
    return CocoRows(rows, kept, pictures, categories, where)


def read_people(content: CocoRows, skeleton: Skeleton | None, empty_boxes: bool = False) -> People:
    """The annotations as arrays; without a skeleton with no keypoints.

    Args:
        content: what the file says.
        skeleton: what the keypoints are.
        empty_boxes: let those with labelled keypoints have a box without extent.
    """
    rows, pictures, where = content.rows, content.pictures, content.where
    picture = _pictures_of(rows, pictures, where)
    ids = whole_numbers(rows, column(rows, "id", where), "id", where)
    if len(np.unique(ids)) != len(ids):
        raise InputError(f"expected every id once in {where}, found duplicates; number the annotations anew")
    crowd = np.array([bool(row.get("iscrowd", 0)) for row in rows], bool)
    points_xy, visibility = _read_keypoints(rows, ids, crowd, 0 if skeleton is None else skeleton.num_keypoints, where)
    must = np.zeros(len(rows), bool) if empty_boxes else ~crowd & (visibility > 0).any(1)
    boxes = _boxes(rows, picture, pictures, must, where)
    sides = boxes[:, 2:] - boxes[:, :2]
    area = numbers(rows, [row.get("area") or 0.0 for row in rows], 1, "area", where)[:, 0]
    if (area < 0).any():
        raise InputError(f"expected no negative 'area' in {where}, found {area.min():g}; correct it")
    return People(
        picture=picture,
        annotation_id=ids,
        keypoints=points_xy,
        visibility=visibility,
        box_xyxy=boxes,
        area=np.where(area > 0, area, BOX_TO_AREA * sides.prod(1)),
        crowd=crowd,
        score=np.ones(len(rows), np.float32),
        head_size=np.full(len(rows), np.nan, np.float32),
    )


def _read_keypoints(
    rows: list[dict[str, Any]], ids: NDArray[np.int64], crowd: NDArray[np.bool_], count: int, where: str
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Keypoints ``(N, count, 2)`` and visibility ``(N, count)``; only crowds may lack them."""
    if count == 0:
        return np.zeros((len(rows), 0, 2), np.float32), np.zeros((len(rows), 0), np.int8)
    nothing = [0] * (3 * count)
    points = [
        row.get("keypoints", nothing) if is_crowd else row.get("keypoints")
        for row, is_crowd in zip(rows, crowd, strict=True)
    ]
    column([row for row, is_crowd in zip(rows, crowd, strict=True) if not is_crowd], "keypoints", where)
    triples = numbers(rows, points, 3 * count, "keypoints", where).reshape(-1, count, 3)
    wrong = ~np.isin(triples[..., 2], (0, 1, 2))
    if wrong.any():
        i, k = (int(axis[0]) for axis in np.nonzero(wrong))
        raise InputError(
            f"expected a visibility of 0, 1 or 2 for every keypoint in {where}, found {triples[i, k, 2]:g} in id"
            f" {ids[i]}; correct it"
        )
    visibility = triples[..., 2].astype(np.int8)
    return np.where(visibility[..., None] > 0, triples[..., :2] + 0.5, 0.0).astype(np.float32), visibility


def _read_pictures(rows: list[dict[str, Any]], where: str) -> Pictures:
    ids, names = column(rows, "id", where), column(rows, "file_name", where)
    if len(set(map(str, ids))) != len(ids):
        raise InputError(f"expected every id once in {where}, found duplicates; number the images anew")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"expected text under 'file_name' in {where}, found {name!r}; correct it")
    values = [(row.get("height") or 0, row.get("width") or 0) for row in rows]
    sizes = numbers(rows, values, 2, "height, width", where).clip(0, 2**31 - 1).astype(np.int32)
    whole = all(isinstance(number, int) for number in ids)
    return Pictures(np.array(ids if whole else list(map(str, ids))), np.array(names, np.str_), sizes)


def _choose_categories(
    rows: list[dict[str, Any]],
    wanted: Sequence[int | str] | None,
    skeleton: Skeleton | None,
    path: str | Path,
) -> list[tuple[int, str]]:
    where = f"'categories' of {path}"
    ids = [int(number) for number in whole_numbers(rows, column(rows, "id", where), "id", where)]
    names = [str(row.get("name", number)) for row, number in zip(rows, ids, strict=True)]
    everything = list(zip(ids, names, rows, strict=True))
    if wanted is None and (skeleton is None or len(rows) == 1):
        chosen = everything
    elif wanted is None and skeleton is not None:
        chosen = [entry for entry in everything if _same_names(entry[2].get("keypoints"), skeleton)]
    else:
        matching = [entry for name in wanted or () for entry in everything if name in entry[:2]]
        chosen = list({entry[0]: entry for entry in matching}.values())
    absent = [name for name in wanted or () if all(name not in entry[:2] for entry in chosen)]
    if not chosen or absent:
        expected = "a category with the keypoints of " + skeleton.name if skeleton is not None else "a category"
        raise InputError(
            f"expected {repr(absent[0]) if absent else expected} in"
            f" {where}, found {_some(names)}; name one with category=, and its skeleton with skeleton="
        )
    for _, name, row in chosen:
        points = row.get("keypoints")
        if skeleton is not None and points is not None and not _same_names(points, skeleton):
            listed = ", ".join(map(str, points)) if isinstance(points, list) else repr(points)
            raise InputError(
                f"expected the {skeleton.num_keypoints} keypoints of skeleton {skeleton.name!r}"
                f" ({', '.join(skeleton.keypoints)}) in category {name!r} of {path}, found"
                f" {len(points) if isinstance(points, list) else 'no list'} ({listed}); give the skeleton that fits"
            )
    return [(number, name) for number, name, _ in chosen]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 9} more" if len(names) > 9 else ""
    return ", ".join(names[:9]) + more if names else "none"


def _same_names(names: Any, skeleton: Skeleton) -> bool:
    # "Left Eye", "left-eye" and "left_eye" are one name.
    listed = names if isinstance(names, list) else ()
    plain = [str(name).lower().replace(" ", "_").replace("-", "_") for name in listed]
    # COCO-WholeBody's files list the body's names alone.
    lists = [skeleton.keypoints, *([skeleton.parts[0][1]] if part_keys(skeleton) else [])]
    return plain in [[name.lower().replace(" ", "_").replace("-", "_") for name in points] for points in lists]


def _read_boxes(
    path: str | Path,
    pictures: Pictures,
    categories: list[tuple[int, str]],
    count: int,
    min_score: float,
    max_boxes: int | None,
) -> People:
    where = f"the boxes of {path}"
    found, chosen = records(read_json(path), where), {number for number, _ in categories}
    scores = numbers(found, column(found, "score", where), 1, "score", where)[:, 0]
    of_category = whole_numbers(found, column(found, "category_id", where), "category_id", where).tolist()
    keep = np.array([number in chosen for number in of_category], bool) & (scores >= min_score)
    index = np.flatnonzero(keep)
    picture = _pictures_of([found[i] for i in index], pictures, where)
    if max_boxes is not None:
        best = _best(picture, scores[index], max_boxes)
        index, picture = index[best], picture[best]
    rows = [found[i] for i in index]
    boxes = _boxes(rows, picture, pictures, np.ones(len(rows), bool), where)
    return People(
        picture=picture,
        annotation_id=index.astype(np.int64),
        keypoints=np.zeros((len(rows), count, 2), np.float32),
        visibility=np.zeros((len(rows), count), np.int8),
        box_xyxy=boxes,
        area=BOX_TO_AREA * (boxes[:, 2:] - boxes[:, :2]).prod(1),
        crowd=np.zeros(len(rows), bool),
        score=scores[index].astype(np.float32),
        head_size=np.full(len(rows), np.nan, np.float32),
    )


def _best(picture: NDArray[np.int64], scores: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The `count` best-scored entries of each picture, in the file's order."""
    order = np.lexsort((np.arange(len(scores)), -scores, picture))
    ordered = picture[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)  # how many of its picture come before
    return np.sort(order[place < count])


def _pictures_of(rows: list[dict[str, Any]], pictures: Pictures, where: str) -> NDArray[np.int64]:
    position = {number: i for i, number in enumerate(pictures.ids.tolist())}
    text = pictures.ids.dtype.kind == "U"
    wanted = [str(number) if text else number for number in column(rows, "image_id", where)]
    for number in wanted:
        if not isinstance(number, int | str) or number not in position:
            raise InputError(
                f"expected in {where} only image ids that 'images' lists, found {number!r:.60}; the files do not match"
            )
    return np.array([position[number] for number in wanted], np.int64)


def _boxes(
    rows: list[dict[str, Any]],
    picture: NDArray[np.int64],
    pictures: Pictures,
    must: NDArray[np.bool_],
    where: str,
) -> NDArray[np.float64]:
    """Corner and size to two corners, cut to the picture; where `must`, something must be left."""
    xywh = numbers(rows, column(rows, "bbox", where), 4, "bbox", where)
    boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
    sizes = pictures.sizes[picture].astype(np.float64)
    sides = np.where(sizes > 0, sizes, np.inf)[:, [1, 0, 1, 0]]
    boxes = np.where(np.isinf(sides), boxes, boxes.clip(0, sides))
    empty = must & ~((boxes[:, 2:] > boxes[:, :2]).all(1))
    if empty.any():
        i = int(empty.argmax())
        raise InputError(
            f"expected boxes (x, y, width, height) of positive size inside their picture in {where}, found"
            f" {xywh[i].tolist()} in {'id ' + repr(rows[i]['id']) if 'id' in rows[i] else f'number {i}'};"
            " correct or remove it"
        )
    return boxes
