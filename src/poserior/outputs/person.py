"""What every writer asks of a predicted person, and the person as an entry of a results file."""

import math
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from poserior.skeletons import Skeleton

SCHEMA = 2  # of a results file's entries, see docs/outputs.md


@runtime_checkable
class RegionLike(Protocol):
    """Regions of one coverage: `poserior.structures.Region`, or the same with arrays."""

    @property
    def radius(self) -> Any:
        """``(K,)`` Mahalanobis radii."""

    @property
    def level(self) -> Any:
        """``(K,)`` credible levels."""


@runtime_checkable
class ModesLike(Protocol):
    """Several modes of each keypoint: `poserior.structures.Modes`, or the same with arrays."""

    @property
    def keypoints(self) -> Any:
        """``(K, M, D)``."""

    @property
    def weights(self) -> Any:
        """``(K, M)``, 0 where there is none."""


@runtime_checkable
class Person(Protocol):
    """`poserior.structures.Prediction`, or the same with arrays instead of tensors; see there for the meanings.

    It may have ``modes`` as well, None or `ModesLike`, and ``component``, None or which of a one-stage network's
    components was answered with; an exported model's answer has neither.
    """

    @property
    def keypoints(self) -> Any:
        """``(K, D)``."""

    @property
    def covariance(self) -> Any:
        """``(K, D, D)``."""

    @property
    def visibility(self) -> Any:
        """``(K,)``."""

    @property
    def confidence(self) -> Any:
        """``(K,)``."""

    @property
    def score(self) -> float:
        """The person's."""

    @property
    def box_xyxy(self) -> Any:
        """``(4,)``."""

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints are."""

    @property
    def image_id(self) -> int | str:
        """The picture's."""

    @property
    def area(self) -> float | None:
        """The object's."""

    @property
    def regions(self) -> Mapping[float, RegionLike]:
        """By coverage."""


def coco_entry(person: Person, category_id: int = 1) -> dict[str, Any]:
    """One entry of a COCO keypoint-results file; the extra keys are ones that COCO's tools pass over.

    (They set ``area`` to the box's when they load results.)

    COCO's keypoints are pixel indices, hence the shift by half a pixel. Each triple's third number is the
    keypoint's confidence. Regions are keys of their own, ``region_90`` for 90 %: the radii, rounded up, null where
    infinite. ``modes`` are ``[x, y, weight]`` triples, for people of whom a keypoint has several.
    """
    points, confidence = _array(person.keypoints)[:, :2] - 0.5, _array(person.confidence)
    x0, y0, x1, y1 = _array(person.box_xyxy).tolist()
    covariance = _array(person.covariance)
    entry: dict[str, Any] = {
        "schema": SCHEMA,
        "image_id": person.image_id,
        "category_id": category_id,
        "keypoints": _rounded(np.concatenate([points, confidence[:, None]], 1).ravel()),
        "score": round(float(person.score), 6),
        "bbox": _rounded(np.array([x0, y0, x1 - x0, y1 - y0]), 3),
        "covariance": [_rounded(row) for row in covariance.reshape(len(covariance), -1)],
        "visibility": _rounded(_array(person.visibility)),
        "confidence": _rounded(confidence),
        **{
            region_key(coverage): [_rounded_up(value) for value in _array(region.radius).tolist()]
            for coverage, region in person.regions.items()
        },
    }
    if person.area is not None:
        entry["area"] = round(float(person.area), 3)
    modes: ModesLike | None = getattr(person, "modes", None)
    if modes is not None:
        entry["modes"] = _modes(modes)
    component: int | None = getattr(person, "component", None)
    if component is not None:
        entry["component"] = component
    return entry


def _modes(modes: ModesLike) -> list[list[list[float]]]:
    points, weights = _array(modes.keypoints)[..., :2] - 0.5, _array(modes.weights)
    rows = np.concatenate([points, weights[..., None]], -1)
    return [[_rounded(mode) for mode in keypoint if mode[2] > 0] for keypoint in rows]


def person_dict(person: Person) -> dict[str, Any]:
    """Plain numbers and lists, in the library's own convention (continuous pixels, boxes as two corners)."""
    modes: ModesLike | None = getattr(person, "modes", None)
    return {
        "image_id": person.image_id,
        "skeleton": person.skeleton.name,
        "keypoint_names": list(person.skeleton.keypoints),
        "keypoints": person.keypoints.tolist(),
        "covariance": person.covariance.tolist(),
        "visibility": person.visibility.tolist(),
        "confidence": person.confidence.tolist(),
        "score": float(person.score),
        "box_xyxy": person.box_xyxy.tolist(),
        "regions": {
            coverage: {"radius": region.radius.tolist(), "level": region.level.tolist()}
            for coverage, region in person.regions.items()
        },
        "area": None if person.area is None else float(person.area),
        "modes": None if modes is None else {"keypoints": modes.keypoints.tolist(), "weights": modes.weights.tolist()},
        "component": getattr(person, "component", None),
    }


def region_key(coverage: float) -> str:
    """What a results file calls the regions of a coverage.

    >>> region_key(0.9), region_key(0.975)
    ('region_90', 'region_97.5')
    """
    return f"region_{100 * coverage:.6g}"


def _array(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, np.float64)


def _rounded(values: np.ndarray, digits: int = 4) -> list[float]:
    return [round(value, digits) for value in values.tolist()]


def _rounded_up(radius: float, steps: float = 1e4) -> float | None:
    """A smaller number would break the promise of the region; JSON has no infinity."""
    return math.ceil(radius * steps) / steps if math.isfinite(radius) else None
