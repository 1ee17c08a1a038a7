"""Which people to show: an even walk through the data, the best, the worst, and the two kinds of failure."""

from dataclasses import dataclass

import numpy as np

from poserior.report.method import Method


@dataclass(frozen=True)
class Case:
    """One group of people."""

    title: str
    says: str
    people: tuple[int, ...]


def walk(method: Method, count: int) -> tuple[int, ...]:
    """`count` people at equal distances in the data set's order: not chosen by how well they went."""
    known = np.flatnonzero(np.isfinite(method.person_oks))
    chosen = np.linspace(0, known.size - 1, min(count, known.size)).round().astype(int)
    return tuple(int(n) for n in known[chosen])


def cases(method: Method, count: int) -> list[Case]:
    """Best, worst, worst that were foreseen, worst that were not; nobody is shown twice."""
    oks, confidence = method.person_oks, method.person_confidence
    labels = method.labelled.sum(1)
    # A single lucky keypoint is no great deed: people with at least half of the keypoints, if there are enough.
    known = np.flatnonzero(np.isfinite(oks))
    well = known[labels[known] >= method.labelled.shape[1] / 2]
    known = well if well.size >= 4 * count else known
    poor = known[np.argsort(oks[known], kind="stable")][: max(known.size // 4, 3 * count)]
    used: set[int] = set()

    def take(order: np.ndarray) -> tuple[int, ...]:
        people = [int(n) for n in order if int(n) not in used][:count]
        used.update(people)
        return tuple(people)

    groups = [
        Case("Best", "highest OKS", take(known[np.argsort(-oks[known], kind="stable")])),
        Case("Worst", "lowest OKS", take(known[np.argsort(oks[known], kind="stable")])),
        Case(
            "Wrong, and knows it",
            "of the quarter with the lowest OKS, those with the lowest confidence",
            take(poor[np.argsort(confidence[poor], kind="stable")]),
        ),
        Case(
            "Wrong, and does not know it",
            "of the same quarter, those whose confidence exceeds the OKS most",
            take(poor[np.argsort(oks[poor] - confidence[poor], kind="stable")]),
        ),
    ]
    return [group for group in groups if group.people]
