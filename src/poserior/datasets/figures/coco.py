"""Figures written out as files: pictures and COCO keypoint annotations."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from pycocotools import mask as coco_mask

from poserior.datasets.coco_folder import CocoFolder, Json, box_entry, keypoint_entry
from poserior.datasets.figures.dataset import Figures


def write_coco(dataset: Figures, folder: str | Path, image_format: str = "png", quality: int = 95) -> Path:
    """Write every picture of a data set, and all its people, as ``images/`` and ``annotations.json`` in COCO's form.

    COCO's keypoints are pixel indices, hence 0.5 less than in a `Sample`; areas are those of the masks, which are
    written as run lengths. Where the data set has label noise, the labels are written, and the exact keypoints
    stand beside them as ``true_keypoints`` (two numbers each, in the same indices).

    Args:
        dataset: what is written, all of it.
        folder: where; it is made if need be, files of the same names are replaced.
        image_format: ``"png"`` or ``"jpg"``.
        quality: of ``"jpg"``, up to 100.

    Returns:
        The path of ``annotations.json``.

    Raises:
        InputError: another `image_format`.
    """
    written = CocoFolder(folder, image_format, quality)
    people: list[Json] = []
    for index in range(len(dataset)):
        written.add(_annotate(dataset, index, people))
    return written.finish(people, ("person",), dataset.skeleton)


def _annotate(dataset: Figures, index: int, people: list[Json]) -> UInt8[np.ndarray, "H W 3"]:
    """Append a picture's people; return the picture."""
    picture = dataset.picture(index)
    for sample in dataset.samples(index, picture):
        person = picture.people[(sample.annotation_id - 1) % 100]
        runs = coco_mask.encode(np.asfortranarray(person.mask.astype(np.uint8)))
        counts = runs["counts"]
        entry = {
            "id": sample.annotation_id,
            "image_id": index,
            "category_id": 1,
            **keypoint_entry(sample.keypoints, sample.visibility),
            **box_entry(sample.box_xyxy),
            "area": sample.area,
            "iscrowd": 0,
            "segmentation": {"size": runs["size"], "counts": counts if isinstance(counts, str) else counts.decode()},
        }
        if dataset.label_noise is not None and sample.true_keypoints is not None:
            entry["true_keypoints"] = [
                round(value, 3) for value in (sample.true_keypoints.double() - 0.5).flatten().tolist()
            ]
        people.append(entry)
    return picture.image
