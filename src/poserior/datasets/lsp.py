"""Leeds Sports Pose Extended: hard poses, 14 keypoints."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poserior.datasets._people import PeopleDataset, Pictures, labelled
from poserior.datasets.coco import read_coco
from poserior.errors import InputError
from poserior.pictures import open_images
from poserior.skeletons import load


class Lsp(PeopleDataset):
    """Leeds Sports Pose Extended (Johnson and Everingham, CVPR 2011) in COCO's format.

    The set has no split of its own: ours ranks the pictures by the SHA-256 of their file names and takes the lowest
    ninth for validation (of 9,000 pictures 8,000 train and 1,000 validate). Located keypoints have visibility 2, the
    others 0; the area is 0.53 times the box's.

    Args:
        root: a folder with ``annotations.json`` (14 keypoints) and ``images.tar`` (or a folder ``images``).
        split: which part.
        skip_corrupt: as in `CocoKeypoints`.
    """

    def __init__(self, root: str | Path, split: Literal["train", "val"] = "train", skip_corrupt: bool = False) -> None:
        if split not in ("train", "val"):
            raise InputError(f"expected the split 'train' or 'val', found {split!r}")
        root, skeleton = Path(root), load("lsp14")
        people, pictures, categories = read_coco(root / "annotations.json", skeleton)
        keep = in_validation(pictures.names.tolist()) == (split == "val")
        number = np.cumsum(keep) - 1
        mine = people.take(keep[people.picture])
        mine = replace(mine, picture=number[mine.picture])
        images = open_images(root / "images" if (root / "images").is_dir() else root / "images.tar")
        kept = Pictures(pictures.ids[keep], pictures.names[keep], pictures.sizes[keep])
        super().__init__(mine, mine.take(labelled(mine)), kept, images, skeleton, skip_corrupt, categories[0])


def in_validation(names: list[str]) -> NDArray[np.bool_]:
    """Which of the pictures validate: the ninth whose names have the lowest SHA-256.

    >>> in_validation([f"im{i:05d}.jpg" for i in range(1, 19)]).sum()
    np.int64(2)
    """
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    lowest = sorted(range(len(names)), key=digests.__getitem__)[: len(names) // 9]
    result = np.zeros(len(names), np.bool_)
    result[lowest] = True
    return result
