"""A folder of pictures and COCO annotations, as it is being written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from poserior.errors import InputError
from poserior.skeletons import Skeleton
from poserior.whole_files import write_bytes

Json = dict[str, Any]


class CocoFolder:
    """``images/`` and ``annotations.json`` in COCO's form; pictures are numbered from 0.

    Args:
        folder: where; it is made if need be, files of the same names are replaced.
        image_format: ``"png"`` or ``"jpg"``.
        quality: of ``"jpg"``, up to 100.

    Raises:
        InputError: another `image_format`.
    """

    def __init__(self, folder: str | Path, image_format: str, quality: int) -> None:
        if image_format not in ("png", "jpg"):
            raise InputError(f"expected the image format 'png' or 'jpg', found {image_format!r}; choose one of them")
        self.folder, self.format = Path(folder), image_format
        self.options = [cv2.IMWRITE_JPEG_QUALITY, quality] if image_format == "jpg" else []
        self.images: list[Json] = []
        (self.folder / "images").mkdir(parents=True, exist_ok=True)

    def add(self, image: UInt8[np.ndarray, "H W 3"]) -> None:
        """Write the next picture, RGB."""
        number = len(self.images)
        name = f"{number:06d}.{self.format}"
        height, width = image.shape[:2]
        encoded = cv2.imencode(f".{self.format}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), self.options)[1]
        write_bytes(self.folder / "images" / name, encoded.tobytes())
        self.images.append({"id": number, "file_name": name, "height": height, "width": width})

    def finish(self, annotations: Sequence[Json], categories: Sequence[str], skeleton: Skeleton | None) -> Path:
        """Write the annotations, and return their file; categories are numbered from 1."""
        names: Json = {}
        if skeleton is not None:
            edges = [[a + 1, b + 1] for a, b in skeleton.edges]  # COCO's own are 1-based
            names = {"keypoints": list(skeleton.keypoints), "skeleton": edges}
        entries = [
            {"id": number, "name": name, "supercategory": name, **names} for number, name in enumerate(categories, 1)
        ]
        content: Json = {"info": {}, "licenses": [], "images": self.images}
        content |= {"annotations": list(annotations), "categories": entries}
        path = self.folder / "annotations.json"
        write_bytes(path, json.dumps(content, allow_nan=False).encode())
        return path


def box_entry(box_xyxy: Float[Tensor, "4"]) -> Json:
    """``bbox``: ``(x, y, width, height)``, to a thousandth of a pixel."""
    x0, y0, x1, y1 = box_xyxy.double().tolist()
    return {"bbox": [round(value, 3) for value in (x0, y0, x1 - x0, y1 - y0)]}


def keypoint_entry(keypoints: Float[Tensor, "K 2"], visibility: Int[Tensor, "K"]) -> Json:
    """``keypoints``, pixel indices (0.5 less than here) and flags, and ``num_keypoints``."""
    labelled = visibility > 0
    points = ((keypoints.double() - 0.5) * labelled[:, None]).tolist()
    triples = [[round(x, 3), round(y, 3), v] for (x, y), v in zip(points, visibility.tolist(), strict=True)]
    return {"keypoints": [value for triple in triples for value in triple], "num_keypoints": int(labelled.sum())}
