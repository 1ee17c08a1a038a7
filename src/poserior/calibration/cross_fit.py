"""Cross-fitting: everybody is judged by a model that saw neither the person nor its picture."""

import hashlib
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.calibration.recalibrator import FEWEST_PEOPLE, PersonRecalibrator, Recalibrator, described
from poserior.errors import InputError


def picture_hash(image_id: int | str) -> float:
    """A number in [0, 1) that depends on nothing but the picture's id, and looks random.

    >>> round(picture_hash(139), 4), picture_hash(139) == picture_hash("139")
    (0.5514, True)
    """
    return int.from_bytes(hashlib.sha256(str(image_id).encode()).digest()[:6], "big") / 2**48


def picture_folds(image_id: Sequence[int | str], folds: int = 5) -> Int[Tensor, "N"]:
    """The fold of every person: pictures in the order of their hash, dealt out in turn; a picture is never split.

    Raises:
        InputError: fewer than 2 folds, or fewer pictures than folds.
    """
    if folds < 2:
        raise InputError(f"expected at least 2 folds, found {folds}; give 5")
    pictures = sorted(set(image_id), key=lambda each: (picture_hash(each), str(each)))
    if len(pictures) < folds:
        raise InputError(
            f"expected at least one picture per fold ({folds}), found {len(pictures)}; give fewer folds or more"
            " pictures"
        )
    fold_of = {picture: place % folds for place, picture in enumerate(pictures)}
    return torch.tensor([fold_of[each] for each in image_id])


def cross_fit(
    features: Float[Tensor, "N K F"],
    accuracy: Float[Tensor, "N K"],
    labelled: Bool[Tensor, "N K"],
    image_id: Sequence[int | str],
    method: str = "boosting",
    folds: int = 5,
) -> Float[Tensor, "N K"]:
    """Expected accuracy of everybody's keypoints, each fold's by a `Recalibrator` fitted on the others.

    Args:
        features: see `pose_features`.
        accuracy: reached by the labelled keypoints, in [0, 1].
        labelled: which keypoints have a label; people without any are judged all the same.
        image_id: the people's pictures.
        method: see `Recalibrator`.
        folds: how many.

    Raises:
        InputError: too few people or pictures; see `Recalibrator.fit`, `picture_folds`.
    """
    fold = picture_folds(image_id, folds)
    confidence = torch.zeros_like(accuracy, dtype=torch.float64)
    for number in range(folds):
        others = fold != number
        fitted = Recalibrator(method).fit(features[others], accuracy[others], labelled[others])
        confidence[~others] = fitted.confidence(features[~others])
    return confidence


def cross_fit_people(
    features: Float[Tensor, "N K F"],
    accuracy: Float[Tensor, "N K"],
    labelled: Bool[Tensor, "N K"],
    score: Float[Tensor, "N"],
    person: Float[Tensor, "N P"],
    oks: Float[Tensor, "N"],
    counted: Bool[Tensor, "N"],
    image_id: Sequence[int | str],
    method: str = "boosting",
    folds: int = 5,
    step: Callable[[], object] = lambda: None,
) -> tuple[Float[Tensor, "N K"], Float[Tensor, "N"]]:
    """`cross_fit`, and of every person the expected OKS, with 0 for false detections.

    The people's model looks at calibrated keypoints. What it learns from must be calibrated as what it is asked about
    will be, by a model that did not see it; and nothing may come from the fold that is judged. So for each pair of
    folds there is a model of keypoints fitted without both: ``folds (folds + 1) / 2`` in all.

    Args:
        features: see `pose_features`.
        accuracy: reached by the labelled keypoints of true people.
        labelled: which keypoints have a label; none of a false detection's.
        score: of the people, in [0, 1].
        person: more numbers of each person.
        oks: reached by the person; 0 for a false detection.
        counted: which people the people's model may learn from.
        image_id: the people's pictures.
        method: see `Recalibrator`.
        folds: how many.
        step: called after each of the models of keypoints.

    Returns:
        Confidence ``(N, K)`` and score ``(N,)``, in [0, 1].

    Raises:
        InputError: as `cross_fit`; or fewer than 50 matched people outside of two folds.
    """
    fold = picture_folds(image_id, folds)
    Recalibrator(method)
    matched = labelled.any(1)
    left = [int((matched & (fold != a) & (fold != b)).sum()) for a in range(folds) for b in range(folds)]
    if min(left) < FEWEST_PEOPLE:
        needed = -(-FEWEST_PEOPLE * folds // max(folds - 2, 1))
        raise InputError(
            f"expected at least {FEWEST_PEOPLE} matched people outside of any two of {folds} folds (about {needed} in"
            f" all), found {min(left)} of {int(matched.sum())}; annotate more people"
        )
    confidence = torch.zeros_like(accuracy, dtype=torch.float64)
    table: dict[tuple[int, int], Tensor] = {}
    for a in range(folds):
        for b in range(a + 1):
            others = (fold != a) & (fold != b)
            fitted = Recalibrator(method).fit(features[others], accuracy[others], labelled[others])
            for judged, without in {(a, b), (b, a)}:
                rows = fold == judged
                said, table[judged, without] = described(fitted, features[rows], score[rows], person[rows])
                if a == b:
                    confidence[rows] = said
            step()
    scores = torch.zeros(len(fold), dtype=torch.float64)
    for number in range(folds):
        known = [g for g in range(folds) if g != number]
        inputs = torch.cat([table[g, number][counted[fold == g]] for g in known])
        targets = torch.cat([oks[(fold == g) & counted] for g in known])
        scores[fold == number] = PersonRecalibrator(method).fit(inputs, targets).score(table[number, number])
    return confidence, scores
