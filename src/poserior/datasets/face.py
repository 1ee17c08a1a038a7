"""Small faces whose 14 keypoints are labelled even where something hides them."""

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poserior.datasets._people import People, PeopleDataset, Pictures
from poserior.errors import InputError
from poserior.pictures import open_images
from poserior.skeletons import load


class FaceKeypoints(PeopleDataset):
    """Faces in disguise (Singh, Patil, Reddy, Omkar, ICCV Workshops 2017) as 96-pixel crops with 14 keypoints.

    All keypoints are labelled (visibility 2), also behind glasses, beards and scarves. The box is the whole crop and
    the area the box's: use a ``box_padding`` of 1.

    Args:
        root: a folder with ``images.zip`` (or a folder ``images``) and ``keypoints.npz``: ``image (N,)`` file names,
            ``split (N,)``, ``keypoints (N, 14, 2)`` in pixel indices of the crop, ``keypoint_names (14,)``.
        split: which part.
    """

    def __init__(self, root: str | Path, split: Literal["train", "val"] = "train") -> None:
        root, skeleton = Path(root), load("face14")
        path = root / "keypoints.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                names, splits, points = file["image"], file["split"], file["keypoints"].astype(np.float64) + 0.5
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"expected image, split and keypoints in {path}, could not read them ({error}); correct the path"
            ) from None
        if points.shape != (len(names), skeleton.num_keypoints, 2) or len(splits) != len(names):
            raise InputError(
                f"expected keypoints of shape ({len(names)}, {skeleton.num_keypoints}, 2) in {path}, one row for each"
                f" of its {len(names)} images, found {points.shape}; restore the file"
            )
        if not np.isfinite(points).all():
            raise InputError(f"expected finite keypoints in {path}, found others; restore the file")
        mine = np.flatnonzero(splits == split)
        if not len(mine):
            raise InputError(
                f"expected a split of {path} ({', '.join(np.unique(splits))}), found {split!r}; correct it"
            )
        people = _people(points[mine].astype(np.float32), mine)
        pictures = Pictures(names[mine], names[mine], np.full((len(mine), 2), SIDE, np.int32))
        images = open_images(root / "images" if (root / "images").is_dir() else root / "images.zip")
        super().__init__(people, people, pictures, images, skeleton, category=(1, "face"))


SIDE = 96


def _people(points: NDArray[np.float32], index: NDArray[np.int64]) -> People:
    count = len(points)
    return People(
        picture=np.arange(count),
        annotation_id=index + 1,  # pycocotools takes an id of 0 for "no match"
        keypoints=points,
        visibility=np.full(points.shape[:2], 2, np.int8),
        box_xyxy=np.tile(np.array([0.0, 0.0, SIDE, SIDE]), (count, 1)),
        area=np.full(count, float(SIDE * SIDE)),
        crowd=np.zeros(count, bool),
        score=np.ones(count, np.float32),
        head_size=np.full(count, np.nan, np.float32),
    )
