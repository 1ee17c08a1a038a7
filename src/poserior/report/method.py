"""One method's evaluation as the plain arrays that figures are drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.metrics import keypoint_oks
from poserior.structures import Evaluation


def array(tensor: Tensor) -> Float[np.ndarray, "..."]:
    """A tensor as a float64 array."""
    return np.asarray(tensor.detach().cpu(), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Method:
    """An `Evaluation`, its metrics, and what is derived from both.

    Attributes:
        index: the position in the report; decides on colour and marker.
        evaluation: predictions beside the truth.
        metrics: metric name to value, as in ``metrics.json``.
    """

    index: int
    evaluation: Evaluation
    metrics: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.evaluation.name

    @cached_property
    def labelled(self) -> Bool[np.ndarray, "N K"]:
        """The keypoints that count."""
        return np.asarray((self.evaluation.target_visibility > 0).cpu())

    @cached_property
    def error(self) -> Float[np.ndarray, "N K"]:
        """Distance from label to prediction in pixels; meaningless where not labelled."""
        difference = array(self.evaluation.keypoints) - array(self.evaluation.target)
        return np.asarray(np.linalg.norm(difference, axis=-1))

    @cached_property
    def oks(self) -> Float[np.ndarray, "N K"]:
        """Each keypoint's OKS; not a number where not labelled."""
        e = self.evaluation
        return array(keypoint_oks(e.keypoints, e.target, e.area, e.skeleton.oks_sigmas, e.target_visibility))

    @cached_property
    def person_oks(self) -> Float[np.ndarray, "N"]:
        """Each person's OKS; not a number where nothing is labelled."""
        return _row_mean(self.oks, self.labelled)

    @cached_property
    def confidence(self) -> Float[np.ndarray, "N K"]:
        """Each keypoint's expected OKS, as predicted."""
        return array(self.evaluation.confidence)

    @cached_property
    def person_confidence(self) -> Float[np.ndarray, "N"]:
        """Mean confidence of each person's labelled keypoints; not a number where nothing is labelled."""
        return _row_mean(self.confidence, self.labelled)

    @cached_property
    def expected_error(self) -> Float[np.ndarray, "N K"] | None:
        """Root mean square error the density itself expects, in pixels: ``sqrt(tr C + |mean - mode|^2)``."""
        e = self.evaluation
        if e.covariance is None:
            return None
        square = np.trace(array(e.covariance), axis1=-2, axis2=-1)
        if e.mean is not None:
            square = square + ((array(e.mean) - array(e.keypoints)) ** 2).sum(-1)
        return np.asarray(np.sqrt(np.maximum(square, 0.0)))

    @cached_property
    def pairs(self) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P"]] | None:
        """Confidence and OKS of all labelled keypoints; None if there are none or a confidence is not in [0, 1]."""
        usable = self.labelled & np.isfinite(self.confidence) & np.isfinite(self.oks)
        confidence, oks = self.confidence[usable], self.oks[usable]
        if confidence.size == 0 or confidence.min() < 0 or confidence.max() > 1:
            return None
        return confidence, oks

    @cached_property
    def levels(self) -> Float[np.ndarray, "L"] | None:
        """Credible levels of the labels, in [0, 1]; None without a density."""
        level = self.evaluation.credible_level
        if level is None:
            return None
        levels = array(level)
        return np.asarray(levels[self.labelled & np.isfinite(levels)])


def _row_mean(values: Float[np.ndarray, "N K"], mask: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
    count = mask.sum(1)
    total = np.where(mask, values, 0.0).sum(1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
