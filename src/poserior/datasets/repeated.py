"""People who were annotated twice, in two files of COCO's format, and the skeleton such a file speaks of."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from poserior.datasets._json import column, entries
from poserior.datasets._people import People, Pictures, labelled
from poserior.datasets.coco import read_coco
from poserior.errors import InputError
from poserior.json_files import read_json
from poserior.skeletons import Skeleton, guess

MIN_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Repeats:
    """N people, each annotated twice.

    Attributes:
        first: ``(N, K, 2)`` the first file's points, in pixels.
        second: ``(N, K, 2)`` the second's.
        labelled: ``(N, K)`` where both have a point.
        area: ``(N,)`` the first file's object areas in square pixels.
        found: how many people of each file could have been matched.
    """

    first: Float[Tensor, "N K 2"]
    second: Float[Tensor, "N K 2"]
    labelled: Bool[Tensor, "N K"]
    area: Float[Tensor, "N"]
    found: tuple[int, int]


def repeated_people(annotations: str | Path, repeated: str | Path, skeleton: Skeleton) -> Repeats:
    """Match the people of two annotation files of the same pictures.

    Two annotations are of one person if they are in pictures of the same id and have the same annotation id and
    boxes that overlap; those left over are matched by their boxes, best IoU first, down to an IoU of 0.5.

    Args:
        annotations: a COCO keypoint file.
        repeated: another, whose people were annotated independently.
        skeleton: what the keypoints of both are.

    Raises:
        InputError: a file is not usable, speaks of other keypoints, or no two people match.
    """
    one, one_pictures, _ = read_coco(annotations, skeleton)
    two, two_pictures, _ = read_coco(repeated, skeleton)
    one, two = one.take(labelled(one)), two.take(labelled(two))
    pairs = _pairs(one, _picture_ids(one, one_pictures), two, _picture_ids(two, two_pictures))
    if not pairs:
        raise InputError(
            f"expected people of {annotations} in {repeated} too, found none of {len(one)} with the same image_id and"
            f" the same id or box; give annotations of the same pictures"
        )
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    both = (one.visibility[a] > 0) & (two.visibility[b] > 0)
    return Repeats(
        torch.from_numpy(one.keypoints[a]),
        torch.from_numpy(two.keypoints[b]),
        torch.from_numpy(both),
        torch.from_numpy(one.area[a]),
        (len(one), len(two)),
    )


def skeleton_of(annotations: str | Path) -> Skeleton:
    """The skeleton that a COCO file's category describes: its names and edges, mirror pairs and constants by name.

    A keypoint whose name is unknown gets the middle one of COCO's constants.

    Raises:
        InputError: the file lists no keypoints' names, or several different lists.
    """
    categories = entries(read_json(annotations), "categories", annotations)
    lists = {tuple(map(str, entry["keypoints"])) for entry in categories if isinstance(entry.get("keypoints"), list)}
    if len(lists) != 1:
        raise InputError(
            f"expected one list of keypoint names under 'categories' of {annotations}, found {len(lists)}; add it, or"
            " give --skeleton"
        )
    (points,) = lists
    if not points or len(set(points)) != len(points):
        raise InputError(
            f"expected names that all differ as 'keypoints' of the category in {annotations}, found"
            f" {', '.join(points) or 'none'}; correct them"
        )
    entry = next(entry for entry in categories if isinstance(entry.get("keypoints"), list))
    name = str(column([entry], "name", f"'categories' of {annotations}")[0])
    return guess(f"{name}{len(points)}", points, _edges(entry.get("skeleton"), len(points)))


def _edges(found: object, count: int) -> tuple[tuple[int, int], ...]:
    """COCO's 1-based pairs; what is none is left out, for nothing but pictures depends on it."""
    pairs = [tuple(pair) for pair in found if isinstance(pair, list)] if isinstance(found, list) else []
    return tuple(
        (pair[0] - 1, pair[1] - 1)
        for pair in pairs
        if len(pair) == 2 and all(isinstance(end, int) and 1 <= end <= count for end in pair)
    )


def _picture_ids(people: People, pictures: Pictures) -> list[str]:
    return [str(pictures.ids[n]) for n in people.picture]


def _pairs(one: People, one_ids: list[str], two: People, two_ids: list[str]) -> list[tuple[int, int]]:
    here: dict[str, list[int]] = {}
    for b, picture in enumerate(two_ids):
        here.setdefault(picture, []).append(b)
    together: dict[str, list[int]] = {}
    for a, picture in enumerate(one_ids):
        together.setdefault(picture, []).append(a)
    pairs: list[tuple[int, int]] = []
    for picture, rows in together.items():
        columns = here.get(picture, [])
        iou = _iou(one.box_xyxy[rows], two.box_xyxy[columns])
        same = one.annotation_id[rows][:, None] == two.annotation_id[columns][None]
        rank = np.where(same & (iou > 0), 1 + iou, np.where(iou >= MIN_IOU, iou, 0.0))
        while rank.size and rank.max() > 0:
            i, j = (int(axis) for axis in np.unravel_index(rank.argmax(), rank.shape))
            pairs.append((rows[i], columns[j]))
            rank[i], rank[:, j] = 0.0, 0.0
    return sorted(pairs)


def _iou(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.minimum(one[:, None, 2:], two[None, :, 2:]) - np.maximum(one[:, None, :2], two[None, :, :2])
    both = sides.clip(0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, two)]
    whole = areas[0][:, None] + areas[1][None] - both
    return np.where(whole > 0, both / np.where(whole > 0, whole, 1.0), 0.0)
