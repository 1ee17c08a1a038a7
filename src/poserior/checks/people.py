"""The same person twice in one picture."""

from collections import defaultdict

import numpy as np

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels

SAME = 0.02
"""Two people whose common keypoints are nearer on average than this share of their extent are one person."""


def duplicate_people(labels: Labels) -> list[Finding]:
    """Nobody is annotated twice: pairs in one picture with (nearly) the same labelled keypoints."""
    here: dict[int, list[int]] = defaultdict(list)
    labelled = labels.labelled & ~labels.crowd[:, None]
    for n in np.flatnonzero(labelled.sum(1) >= 3):
        if labels.picture[n] >= 0:
            here[int(labels.picture[n])].append(int(n))
    pairs = []
    for people in here.values():
        for i, first in enumerate(people[:-1]):
            rest = np.array(people[i + 1 :])
            common = labelled[first] & labelled[rest]
            both = common.sum(1)
            gaps = np.linalg.norm(labels.keypoints[rest, :, :2] - labels.keypoints[first, :, :2], axis=-1)
            mean = np.where(common, gaps, 0).sum(1) / np.maximum(both, 1)
            own = labels.keypoints[first, labelled[first], :2]
            extent = float(np.ptp(own, axis=0).max())
            larger = np.maximum(labelled[rest].sum(1), labelled[first].sum())
            same = (both >= 3) & (both >= 0.7 * larger) & (mean <= SAME * extent)
            pairs += [(first, int(n)) for n in rest[same]]
    where = (" is ".join(labels.people([a, b])) for a, b in pairs)
    advice = "remove one of the two: training sees the person twice, and evaluation misses one of them for certain"
    return finding("duplicate-people", "warning", "{} pairs of annotations are one person", where, advice, len(pairs))
