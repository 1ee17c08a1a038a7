"""From what any tool says of its keypoints to the accuracy that can be expected of them."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.calibration.pose_features import LOG_AREA, SCORE, person_features
from poserior.calibration.regressions import METHODS, Regression
from poserior.errors import InputError

FEWEST_PEOPLE = 50
"""So many people with a label are needed at least."""


class Recalibrator:
    """Expected accuracy of keypoints, and how probable it is that they are labelled, from their features.

    Nothing is asked of the accuracy but that it lies in [0, 1]: OKS of the keypoint, or right and wrong.

    Args:
        method: ``isotonic`` (a curve per keypoint and third of size), ``beta`` (a smooth curve per keypoint with
            size), ``boosting`` or ``mlp`` (all features).

    Raises:
        InputError: there is no such method.
    """

    def __init__(self, method: str = "boosting") -> None:
        if method not in METHODS:
            raise InputError(f"expected a method among {', '.join(METHODS)}, found {method!r}; choose one")
        self.method = method

    def fit(
        self, features: Float[Tensor, "N K F"], accuracy: Float[Tensor, "N K"], labelled: Bool[Tensor, "N K"]
    ) -> "Recalibrator":
        """Learn from people with labels; returns itself.

        Args:
            features: see `pose_features`.
            accuracy: reached by each labelled keypoint, in [0, 1]; anything elsewhere.
            labelled: which keypoints have a label.

        Raises:
            InputError: fewer than 50 people with a label; or the scores, all that ``isotonic`` looks at, do not differ.
        """
        people = labelled.any(1)
        if int(people.sum()) < FEWEST_PEOPLE:
            raise InputError(
                f"expected at least {FEWEST_PEOPLE} matched people to calibrate on, found {int(people.sum())};"
                " annotate more people"
            )
        known = features[labelled]
        refuse_constant_scores(known[:, SCORE], self.method)
        self._accuracy, self._labelled = METHODS[self.method](), METHODS[self.method]()
        self._accuracy.fit(_array(known), _array(accuracy[labelled]))
        self._labelled.fit(_array(features[people].flatten(0, 1)), _array(labelled[people].flatten().double()))
        return self

    def confidence(self, features: Float[Tensor, "N K F"]) -> Float[Tensor, "N K"]:
        """Expected accuracy of every keypoint, in [0, 1], if the person is one."""
        return _predict(self._accuracy, features)

    def visibility(self, features: Float[Tensor, "N K F"]) -> Float[Tensor, "N K"]:
        """Probability of every keypoint to be labelled, if the person is one."""
        return _predict(self._labelled, features)


class PersonRecalibrator:
    """Expected OKS of whole results; that of a false detection is 0.

    Args:
        method: as of `Recalibrator`.
    """

    def __init__(self, method: str = "boosting") -> None:
        self._regression = METHODS[method]()

    def fit(self, features: Float[Tensor, "N F"], oks: Float[Tensor, "N"]) -> "PersonRecalibrator":
        """Learn from ``(N, F)`` features (see `person_features`) and the OKS reached; returns itself."""
        self._regression.fit(_array(features), _array(oks))
        return self

    def score(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N"]:
        """Expected OKS, in [0, 1]."""
        return _predict(self._regression, features)


def described(
    recalibrator: Recalibrator,
    features: Float[Tensor, "N K F"],
    score: Float[Tensor, "N"],
    person: Float[Tensor, "N P"],
) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N F2"]]:
    """The calibrated confidence of keypoints, and the people's features that follow from it."""
    confidence = recalibrator.confidence(features)
    visibility = recalibrator.visibility(features)
    return confidence, person_features(score, confidence, visibility, features[:, 0, LOG_AREA], person)


def refuse_constant_scores(scores: Float[Tensor, "M"], method: str) -> None:
    """Where all scores are alike, a method that looks at nothing else has nothing to learn.

    Raises:
        InputError: that is so.
    """
    if method == "isotonic" and bool((scores == scores[0]).all()):
        raise InputError(
            "expected scores that differ for the method isotonic, found them all equal; choose boosting or mlp, which"
            " look at the pose"
        )


def _predict(regression: Regression, features: Tensor) -> Tensor:
    flat = features.reshape(-1, features.shape[-1])
    return torch.from_numpy(regression.predict(_array(flat))).view(features.shape[:-1])


def _array(values: Tensor) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return values.double().numpy()
