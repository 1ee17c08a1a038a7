"""Figures written out as files: pictures and COCO keypoint annotations."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from pycocotools import mask as coco_mask

from poserior.datasets.figures.dataset import Figures
from poserior.errors import InputError
from poserior.whole_files import write_bytes


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
    if image_format not in ("png", "jpg"):
        raise InputError(f"expected the image format 'png' or 'jpg', found {image_format!r}; choose one of them")
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if image_format == "jpg" else []
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for index in range(len(dataset)):
        name = f"{index:06d}.{image_format}"
        picture = _annotate(dataset, index, people)
        height, width = picture.shape[:2]
        encoded = cv2.imencode(f".{image_format}", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)[1]
        write_bytes(folder / "images" / name, encoded.tobytes())
        images.append({"id": index, "file_name": name, "height": height, "width": width})
    skeleton = dataset.skeleton
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
    }
    content = {"info": {}, "licenses": [], "images": images, "annotations": people, "categories": [category]}
    path = folder / "annotations.json"
    write_bytes(path, json.dumps(content).encode())
    return path


def _annotate(dataset: Figures, index: int, people: list[dict[str, Any]]) -> UInt8[np.ndarray, "H W 3"]:
    """Append a picture's people; return the picture."""
    picture = dataset.picture(index)
    for sample in dataset.samples(index, picture):
        person = picture.people[(sample.annotation_id - 1) % 100]
        labelled = sample.visibility > 0
        shifted = (sample.keypoints.double() - 0.5) * labelled[:, None]
        triples = [
            [round(x, 3), round(y, 3), v]
            for (x, y), v in zip(shifted.tolist(), sample.visibility.tolist(), strict=True)
        ]
        x0, y0, x1, y1 = sample.box_xyxy.double().tolist()
        runs = coco_mask.encode(np.asfortranarray(person.mask.astype(np.uint8)))
        counts = runs["counts"]
        entry = {
            "id": sample.annotation_id,
            "image_id": index,
            "category_id": 1,
            "keypoints": [value for triple in triples for value in triple],
            "num_keypoints": int(labelled.sum()),
            "bbox": [round(value, 3) for value in (x0, y0, x1 - x0, y1 - y0)],
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
