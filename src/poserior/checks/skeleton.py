"""The skeleton itself: edges without keypoints, and mirror pairs that do not go with the names."""

import re
from typing import Any

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels
from poserior.skeletons import Skeleton, mirror_name

ADVICE = "correct the skeleton: pairs of keypoint numbers, the first keypoint is 1"


def category_edges(labels: Labels) -> list[Finding]:
    """The category's ``skeleton`` names keypoints that exist, each connection once, and leaves none alone."""
    if labels.edges is None:
        return []
    count = len(labels.names)
    if not isinstance(labels.edges, list):
        return finding("edges", "warning", "the category's skeleton is no list of pairs", [], ADVICE, 1)
    good: list[tuple[int, int]] = []
    bad: list[str] = []
    for edge in labels.edges:
        pair = _pair(edge)
        if pair is not None and all(1 <= end <= count for end in pair) and pair[0] != pair[1]:
            good.append((pair[0] - 1, pair[1] - 1))
        else:
            bad.append(str(edge))
    advice = f"{ADVICE}, the last {count}"
    if any((pair := _pair(edge)) is not None and 0 in pair for edge in labels.edges):
        advice += "; these seem to count from 0"
    found = finding(
        "edges", "warning", "{} edges of the category name keypoints that do not exist", bad, advice, len(bad)
    )
    return found + _shape(labels.names, good)


def skeleton_pairs(skeleton: Skeleton) -> list[Finding]:
    """A skeleton's own edges, and its mirror pairs against the names."""
    mates = dict(skeleton.flip_pairs) | {b: a for a, b in skeleton.flip_pairs}
    wrong = [
        f"{name} with {mates.get(name, 'nobody')}, not {mirror_name(name)}"
        for name in skeleton.keypoints
        if mirror_name(name) in skeleton.keypoints and mirror_name(name) != mates.get(name, name)
    ]
    what = f"{{}} keypoints of skeleton {skeleton.name} are mirrored into others than their names say"
    advice = "correct flip_pairs: a mirrored picture would teach the wrong side"
    found = finding("flip-pairs", "error", what, wrong, advice, len(wrong))
    alone = [name for name in skeleton.keypoints if mirror_name(name) not in skeleton.keypoints]
    what = "{} keypoints have a side in their name, and no partner of the other side"
    found += finding("flip-pairs", "warning", what, alone, "add the partner, or name it without a side", len(alone))
    return found + _shape(skeleton.keypoints, list(skeleton.edges))


def category_names(labels: Labels) -> list[Finding]:
    """The names differ, and every left has its right."""
    repeated = sorted({name for name in labels.names if labels.names.count(name) > 1})
    advice = "give each keypoint a name of its own"
    found = finding("skeleton", "error", "{} keypoint names occur more than once", repeated, advice, len(repeated))
    alone = [name for name in labels.names if mirror_name(name) not in labels.names]
    what = "{} keypoints have a side in their name, and no partner of the other side"
    advice = "add the partner, or name it without a side: mirror images exchange left and right"
    return found + finding("flip-pairs", "warning", what, alone, advice, len(alone))


def mirror_pairs(names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Positions of (left, right) keypoints by their names.

    >>> mirror_pairs(("nose", "right_eye", "left_eye"))
    [(2, 1)]
    """
    pairs = []
    for k, name in enumerate(names):
        mate = mirror_name(name)
        if mate != name and mate in names and re.search(r"(?<![a-z])l(eft)?(?![a-z])", name, re.IGNORECASE):
            pairs.append((k, names.index(mate)))
    return pairs


def _pair(edge: Any) -> tuple[int, int] | None:
    if not isinstance(edge, list) or len(edge) != 2 or any(type(end) is not int for end in edge):
        return None
    return edge[0], edge[1]


def _shape(names: tuple[str, ...], edges: list[tuple[int, int]]) -> list[Finding]:
    """Edges that stand there twice, and keypoints that none touches."""
    unordered = [(min(edge), max(edge)) for edge in edges]
    twice = sorted({f"{names[a]} to {names[b]}" for a, b in unordered if unordered.count((a, b)) > 1})
    found = finding("edges", "hint", "{} edges stand there more than once", twice, "remove the others", len(twice))
    touched = {end for edge in edges for end in edge}
    free = [name for k, name in enumerate(names) if k not in touched] if edges else []
    what = "{} keypoints are on no edge"
    advice = "connect them if pictures should show them connected; training does not look at edges"
    return found + finding("edges", "hint", what, free, advice, len(free))
