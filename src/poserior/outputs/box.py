"""What writers ask of a detected box, and the box as an entry of a results file."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from poserior.outputs.person import SCHEMA

_COCO_GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}


@runtime_checkable
class Box(Protocol):
    """`poserior.scenes.Detection`, or the same with arrays instead of tensors; see there for the meanings."""

    @property
    def box_xyxy(self) -> Any:
        """``(4,)``."""

    @property
    def score(self) -> float:
        """What results are ranked by."""

    @property
    def centre_score(self) -> float:
        """Of the centre alone."""

    @property
    def category(self) -> int:
        """Index into `categories`."""

    @property
    def categories(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def component(self) -> int:
        """Which mode was answered with."""

    @property
    def weights(self) -> Any:
        """``(M,)``."""

    @property
    def boxes_xyxy(self) -> Any:
        """``(M, 4)``, or none."""

    @property
    def size_covariance(self) -> Any:
        """``(2, 2)``."""

    @property
    def expected_iou(self) -> float | None:
        """With the truth."""

    @property
    def image_id(self) -> int | str:
        """The picture's."""


def detection_entry(box: Box) -> dict[str, Any]:
    """One entry of a COCO detection-results file; the extra keys are ones that COCO's tools pass over.

    A category's id is its number from 1, or COCO's own for COCO's 80. Boxes are corner and size, their corners pixel
    edges as in COCO: nothing is shifted. ``components`` are ``[x, y, width, height, weight]`` of the box by each mode
    of the density, in the network's order.
    """
    covariance = _array(box.size_covariance).ravel()
    weights, boxes = _array(box.weights), _corner_and_size(_array(box.boxes_xyxy))
    entry: dict[str, Any] = {
        "schema": SCHEMA,
        "image_id": box.image_id,
        "category_id": category_ids(box.categories)[box.category],
        "category": box.categories[box.category],
        "bbox": _rounded(_corner_and_size(_array(box.box_xyxy)), 3),
        "score": round(float(box.score), 6),
        "centre_score": round(float(box.centre_score), 6),
        "component": int(box.component),
    }
    if np.isfinite(covariance).all():
        entry["size_covariance"] = _rounded(covariance)
    if box.expected_iou is not None:
        entry["expected_iou"] = round(float(box.expected_iou), 6)
    if len(boxes) > 1:
        entry["components"] = [
            [*_rounded(one, 3), round(weight, 4)] for one, weight in zip(boxes, weights.tolist(), strict=True)
        ]
    return entry


def category_ids(categories: Sequence[str]) -> list[int]:
    """The ids that results name categories by: numbers from 1; COCO's 80 have gaps between theirs.

    >>> category_ids(["ball", "kite"])
    [1, 2]
    """
    if len(categories) == 80 and (categories[0], categories[11], categories[79]) == (
        "person",
        "stop sign",
        "toothbrush",
    ):
        return [number for number in range(1, 91) if number not in _COCO_GAPS]
    return list(range(1, len(categories) + 1))


def _corner_and_size(box_xyxy: np.ndarray) -> np.ndarray:
    return np.concatenate([box_xyxy[..., :2], box_xyxy[..., 2:] - box_xyxy[..., :2]], -1)


def _array(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, np.float64)


def _rounded(values: np.ndarray, digits: int = 4) -> list[float]:
    return [round(value, digits) for value in values.tolist()]
