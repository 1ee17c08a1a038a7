"""MPII Human Pose in the JSON form of HRNet-style repositories."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.datasets._json import column, numbers
from poserior.datasets._people import People, PeopleDataset, Pictures, labelled
from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA
from poserior.json_files import read_json, records
from poserior.pictures import open_images
from poserior.skeletons import load


class Mpii(PeopleDataset):
    """MPII Human Pose (Andriluka et al., CVPR 2014), 16 keypoints, one `Sample` per annotated person.

    The file is a JSON list of ``{image, center, scale, joints, joints_vis}``. Its coordinates are 1-based pixel
    indices: half a pixel is subtracted here. The box is the square of ``200 scale`` pixels about the centre moved down
    by ``15 scale``, not cut to the picture: with ``box_padding`` 1.25 the crop is HRNet's. There are no masks: the
    area is that of the tight box around the labelled keypoints (0.53 times the square if that is empty).
    A keypoint with ``joints_vis`` above 0 gets visibility 2 (the form does not tell occluded ones apart), else 0.
    The head size of PCKh, 0.6 times the diagonal of the head box, is read from an entry's ``head_size`` (pixels) or
    ``headbox`` (x0, y0, x1, y1), or for all entries from `headboxes`.

    Args:
        annotations: ``train.json``, ``valid.json``, ... or the same ending in ``.json.gz``.
        images: a folder, an uncompressed ``.tar`` or a ``.zip``.
        headboxes: the ``gt_valid.mat`` that belongs to the file (array ``headboxes_src`` of shape ``(2, 2, N)``).
        skip_corrupt: as in `CocoKeypoints`.

    Raises:
        InputError: a file is missing or not in the format, or a number in it is impossible.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        headboxes: str | Path | None = None,
        skip_corrupt: bool = False,
    ) -> None:
        skeleton, where = load("mpii16"), str(annotations)
        rows = records(read_json(annotations), where)
        names, picture = _pictures(column(rows, "image", where), where)
        pictures = Pictures(np.array(names, np.str_), np.array(names, np.str_), np.zeros((len(names), 2), np.int32))
        people = _people(rows, picture, skeleton.num_keypoints, where)
        if headboxes is not None:
            people.head_size[:] = _head_sizes(headboxes, len(rows))
        samples = people.take(labelled(people))
        if not len(samples):
            raise InputError(f"expected at least one person with a labelled keypoint in {where}, found none")
        super().__init__(people, samples, pictures, open_images(images), skeleton, skip_corrupt)


def _people(rows: list[dict[str, Any]], picture: NDArray[np.int64], count: int, where: str) -> People:
    joints = numbers(rows, _flat(column(rows, "joints", where)), 2 * count, "joints", where).reshape(-1, count, 2)
    seen: NDArray[np.bool_] = numbers(rows, column(rows, "joints_vis", where), count, "joints_vis", where) > 0
    points = np.where(seen[..., None], joints - 0.5, 0.0)
    boxes = _boxes(rows, where)
    low = np.where(seen[..., None], points, np.inf).min(1)
    high = np.where(seen[..., None], points, -np.inf).max(1)
    tight = np.where(seen.any(1), (high - low).clip(0).prod(1), 0.0) if len(rows) else np.zeros(0)
    return People(
        picture=picture,
        annotation_id=np.arange(len(rows), dtype=np.int64) + 1,  # pycocotools takes an id of 0 for "no match"
        keypoints=points.astype(np.float32),
        visibility=np.where(seen, 2, 0).astype(np.int8),
        box_xyxy=boxes,
        area=np.where(tight > 0, tight, BOX_TO_AREA * (boxes[:, 2:] - boxes[:, :2]).prod(1)),
        crowd=np.zeros(len(rows), bool),
        score=np.ones(len(rows), np.float32),
        head_size=np.array([_head_size(row, i, where) for i, row in enumerate(rows)], np.float32),
    )


def _boxes(rows: list[dict[str, Any]], where: str) -> NDArray[np.float64]:
    scale = numbers(rows, column(rows, "scale", where), 1, "scale", where)
    centre = numbers(rows, column(rows, "center", where), 2, "center", where) - 0.5 + scale * [0.0, 15.0]
    if (scale <= 0).any():
        raise InputError(
            f"expected every 'scale' in {where} to be positive, found {scale.min():g}; correct or remove it"
        )
    return np.concatenate([centre - 100 * scale, centre + 100 * scale], 1)


def _pictures(values: list[Any], where: str) -> tuple[list[str], NDArray[np.int64]]:
    for value in values:
        if not isinstance(value, str):
            raise InputError(f"expected a file name under 'image' in {where}, found {value!r:.60}; correct it")
    names = list(dict.fromkeys(values))
    position = {name: i for i, name in enumerate(names)}
    return names, np.array([position[value] for value in values], np.int64)


def _flat(values: list[Any]) -> list[Any]:
    try:
        return [[number for pair in value for number in pair] for value in values]
    except TypeError:
        return values


def _head_size(row: dict[str, Any], number: int, where: str) -> float:
    if "headbox" in row:
        x0, y0, x1, y1 = numbers([row], [row["headbox"]], 4, "headbox", where)[0]
        size = 0.6 * float(np.hypot(x1 - x0, y1 - y0))
    elif "head_size" in row:
        size = float(numbers([row], [row["head_size"]], 1, "head_size", where)[0, 0])
    else:
        return float("nan")
    if size <= 0:
        raise InputError(f"expected a positive head size in {where}, found {size:g} in number {number}; correct it")
    return size


def _head_sizes(path: str | Path, count: int) -> NDArray[np.float64]:
    from scipy.io import loadmat

    try:
        boxes = np.asarray(loadmat(path)["headboxes_src"], np.float64)
    except (OSError, KeyError, ValueError, TypeError, NotImplementedError) as error:
        raise InputError(
            f"expected a MATLAB file with headboxes_src at {path}, could not read it ({error}); give gt_valid.mat"
        ) from None
    if boxes.shape != (2, 2, count):
        raise InputError(
            f"expected headboxes_src of shape (2, 2, {count}) in {path}, one box per annotated person, found"
            f" {boxes.shape}; give the file that belongs to the annotations"
        )
    return np.asarray(0.6 * np.linalg.norm(boxes[1] - boxes[0], axis=0))
