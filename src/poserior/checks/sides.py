"""Left and right exchanged: people whose pose is much likelier with the sides the other way round."""

import numpy as np
from jaxtyping import Bool, Float64

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels
from poserior.checks.skeleton import mirror_pairs

ENOUGH_PEOPLE = 200
"""Fewer people tell too little about which poses there are."""

MOST_KEYPOINTS = 30
"""The model looks at no more than the first so many: the body, in whole-body sets."""

MARGIN = 2.0
"""Log odds at which a person is reported."""

FOLDS = 3
FITTED = 6_000
"""People that each part's model is fitted to, at most."""


def swapped_people(labels: Labels) -> list[Finding]:
    """People whose left and right are probably exchanged, most suspicious first; see `side_scores`."""
    pairs = mirror_pairs(labels.names)
    pairs = [pair for pair in pairs if max(pair) < MOST_KEYPOINTS]
    usable = _usable(labels, pairs)
    if usable.sum() < ENOUGH_PEOPLE:
        return []
    points, labelled = labels.keypoints[usable, :MOST_KEYPOINTS, :2], labels.labelled[usable, :MOST_KEYPOINTS]
    scores = side_scores(points, labelled, pairs)
    order = np.argsort(scores, kind="stable")
    worst = order[scores[order] < -MARGIN]
    index = np.flatnonzero(usable)[worst]
    where = (f"{who} (log odds {-score:.1f})" for who, score in zip(labels.people(index), scores[worst], strict=True))
    what = f"{{}} of {int(usable.sum()):,} people look as if left and right were exchanged"
    advice = "look at them in this order; left and right are the person's own, not the picture's"
    return finding("left-right", "hint", what, where, advice, len(index))


def side_scores(
    points: Float64[np.ndarray, "N K 2"], labelled: Bool[np.ndarray, "N K"], pairs: list[tuple[int, int]]
) -> Float64[np.ndarray, "N"]:
    """Log odds that left and right are as they should be.

    A pose is described by its differences ``d`` (left minus right point of each pair) and by its rest ``m``, which
    does not change when left and right are exchanged (the pairs' middles, the single points, what is labelled). The
    score ``f = a . d + d . A m`` then turns its sign with the sides, whatever the weights; these are fitted so that
    ``sigmoid(f)`` is large for the people as they are labelled (ridge logistic regression) and for their mirror
    images. Who is scored is not among those fitted to: nobody vouches for himself. Most people must be right for it to
    learn what right is.

    Args:
        points: pixels.
        labelled: which of them count.
        pairs: positions of (left, right) keypoints.
    """
    poses = _poses(points, labelled)
    order = list(range(points.shape[1]))
    for a, b in pairs:
        order[a], order[b] = b, a
    draw = np.random.default_rng(0)
    fold = draw.integers(0, FOLDS, len(poses))
    scores = np.zeros(len(poses))
    for part in range(FOLDS):
        others = draw.permutation(np.flatnonzero(fold != part))[:FITTED]
        mirrored = poses[others][:, order] * np.array([-1.0, 1.0, 1.0])
        weights = _logistic(_odd(np.concatenate([poses[others], mirrored]), pairs, order))
        scores[fold == part] = _odd(poses[fold == part], pairs, order) @ weights
    return scores


def _odd(poses: np.ndarray, pairs: list[tuple[int, int]], order: list[int]) -> np.ndarray:
    """What turns its sign when left and right are exchanged: ``d``, and its products with what does not."""
    left, right = poses[:, [a for a, _ in pairs]], poses[:, [b for _, b in pairs]]
    apart = ((left - right) * left[..., 2:] * right[..., 2:])[..., :2].reshape(len(poses), -1)
    middle = ((poses + poses[:, order]) / 2)[:, sorted(set(range(poses.shape[1])) - {b for _, b in pairs})]
    products = apart[:, :, None] * middle.reshape(len(poses), 1, -1)
    return np.concatenate([apart, products.reshape(len(poses), -1)], 1)


def _poses(points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """``(N, K, 3)``: points around their middle in units of their spread, 0 if not labelled; whether they are."""
    weight = labelled[..., None].astype(float)
    count = np.maximum(weight.sum(1, keepdims=True), 1)
    points = np.where(labelled[..., None], points, 0)
    centred = (points - points.sum(1, keepdims=True) / count) * weight
    spread = np.sqrt((centred**2).sum((1, 2), keepdims=True) / count)
    return np.concatenate([centred / np.maximum(spread, 1e-6), weight], -1)


def _logistic(rows: np.ndarray, ridge: float = 3.0, steps: int = 6) -> np.ndarray:
    """Weights that make ``sigmoid(rows @ w)`` large, by Newton's steps."""
    weights = np.zeros(rows.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        curvature = np.maximum(p * (1 - p), 1e-4)
        hessian = rows.T @ (rows * curvature[:, None]) + ridge * np.eye(len(weights))
        weights = weights + np.linalg.solve(hessian, rows.T @ (1 - p) - ridge * weights)
    return weights


def _usable(labels: Labels, pairs: list[tuple[int, int]]) -> np.ndarray:
    both = np.zeros(len(labels.annotation), int)
    for a, b in pairs:
        both += labels.labelled[:, a] & labels.labelled[:, b]
    usable: np.ndarray = (both >= min(2, len(pairs))) & (labels.labelled.sum(1) >= 4) & ~labels.crowd & bool(pairs)
    return usable
