"""One person predicted by an exported model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from poserior.outputs import coco_entry, person_dict
from poserior.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class PortableRegion:
    """`poserior.structures.Region` with arrays.

    Attributes:
        radius: ``(K,)``, infinite where too few labels were known.
        level: ``(K,)``.
    """

    radius: Float32[np.ndarray, "K"]
    level: Float32[np.ndarray, "K"]


@dataclass(frozen=True, eq=False)
class PortablePrediction:
    """`poserior.structures.Prediction` with arrays and without the density itself; a `poserior.outputs.Person`.

    Attributes:
        keypoints: ``(K, D)`` pixels of the original picture, the mode of the predicted density.
        covariance: ``(K, D, D)`` in square pixels.
        visibility: ``(K,)`` probability that the keypoint is one a human would label.
        confidence: ``(K,)`` in [0, 1], the OKS that can be expected of the keypoint.
        score: the person's: the visibility-weighted mean of `confidence`, times the box's score.
        box_xyxy: the box the person was looked for in.
        skeleton: what the keypoints are.
        image_id: the picture's id or name.
        area: the object's in square pixels, predicted or taken from the box.
        regions: regions by their promised probability; none if the file has none.
        component: of a result that a one-stage network has written: which component was answered with.
    """

    keypoints: Float32[np.ndarray, "K D"]
    covariance: Float32[np.ndarray, "K D D"]
    visibility: Float32[np.ndarray, "K"]
    confidence: Float32[np.ndarray, "K"]
    score: float
    box_xyxy: Float32[np.ndarray, "4"]
    skeleton: Skeleton
    image_id: int | str = 0
    area: float | None = None
    regions: Mapping[float, PortableRegion] = field(default_factory=dict, repr=False)
    component: int | None = None

    def to_coco(self, category_id: int = 1) -> dict[str, Any]:
        """One entry of a COCO keypoint-results file, see `poserior.outputs.coco_entry`."""
        return coco_entry(self, category_id)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, as of a `poserior.structures.Prediction`."""
        return person_dict(self)
