"""Pictures that are the same, or nearly: within one set, and in training and validation at once."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Int64, UInt64

from poserior.checks.finding import Finding, finding
from poserior.checks.pictures import SIDE, Seen

BITS = 6
"""Near-duplicates differ in at most so many of the 64 bits of their hashes."""

ALIKE = 0.85
"""... and their 16 x 16 grey thumbnails correlate at least so much."""


def duplicate_pictures(seen: Mapping[str, Seen]) -> list[Finding]:
    """The same picture under several names."""
    names = _decoded(seen)
    equal, near = _pairs(names, seen)
    advice = "keep one of each, with all its people"
    found = finding(
        "duplicate-pictures", "warning", "{} pairs of picture files are equal byte for byte", equal, advice, len(equal)
    )
    advice = "look at them; frames of a video belong into one part of a split"
    what = "{} pairs of pictures look nearly the same"
    return found + finding("duplicate-pictures", "hint", what, near, advice, len(near))


def split_leaks(train: Mapping[str, Seen], val: Mapping[str, Seen]) -> list[Finding]:
    """Pictures of the validation set that training sees too."""
    names = _decoded(train) + _decoded(val)
    seen = dict(enumerate([*(train[n] for n in _decoded(train)), *(val[n] for n in _decoded(val))]))
    border = len(_decoded(train))
    equal: list[str] = []
    near: list[str] = []
    for i, j, same in _matches(list(seen.values())):
        if i < border <= j:
            (equal if same else near).append(f"{names[i]} (train) and {names[j]} (val)")
    advice = "remove them from one of the two sets: what is measured on them is memory"
    what = "{} pairs of equal picture files are in training and validation at once"
    found = finding("split-leak", "error", what, equal, advice, len(equal))
    what = "{} pairs of nearly the same pictures are in training and validation at once"
    return found + finding("split-leak", "warning", what, near, advice, len(near))


def shared_names(train: Sequence[str], val: Sequence[str]) -> list[Finding]:
    """File names, and groups of them (a person, a video), that stand in both sets."""
    both = sorted(set(filter(None, train)) & set(filter(None, val)))
    what = "{} file names stand in training and in validation"
    advice = "if they are the same pictures, remove them from one of the two"
    found = finding("split-leak", "warning", what, both, advice, len(both))
    first, second = _groups(train), _groups(val)
    common = sorted(set(first) & set(second))
    # one prefix for everything tells nothing
    if min(len(first), len(second)) < 2:
        return found
    where = (f"{prefix}: {first[prefix]} in training, {second[prefix]} in validation" for prefix in common)
    what = "{} groups of file names (a folder, or what stands before the last number) are in both sets"
    advice = "if a group is one person, one video or one place, keep it in one of the two sets"
    return found + finding("split-leak", "hint", what, where, advice, len(common))


def close_pairs(hashes: UInt64[np.ndarray, "N"], bits: int = BITS) -> Int64[np.ndarray, "P 2"]:
    """Positions of all pairs of hashes that differ in at most `bits` bits, the smaller position first.

    Of ``bits + 1`` bands of bits such a pair has one in common: only hashes with an equal band are compared.

    >>> close_pairs(np.array([0, 3, 2**64 - 1], np.uint64)).tolist()
    [[0, 1]]
    """
    found = [np.zeros((0, 2), np.int64)]
    edges = np.linspace(0, 64, bits + 2).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        band = (hashes >> np.uint64(low)) & mask
        order = np.argsort(band, kind="stable")
        cuts = np.flatnonzero(np.diff(band[order])) + 1
        for group in np.split(order, cuts):
            if len(group) > 1:
                found += list(_within(hashes, group, bits))
    return np.unique(np.concatenate(found), axis=0)


def _within(hashes: np.ndarray, group: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Pairs of one group, a block of rows at a time."""
    rows = max(1, 4_000_000 // len(group))
    for start in range(0, len(group), rows):
        part = group[start : start + rows]
        apart = np.bitwise_count(hashes[part][:, None] ^ hashes[group][None])
        i, j = np.nonzero(apart <= bits)
        first, second = part[i], group[j]
        yield np.stack([first, second], 1)[first < second]


def _matches(seen: Sequence[Seen]) -> Iterator[tuple[int, int, bool]]:
    """Pairs that are equal (True) or nearly so (False)."""
    hashes = np.array([each.dhash for each in seen], np.uint64)
    thumbnails = np.array([each.thumbnail for each in seen], np.float32).reshape(len(seen), SIDE * SIDE)
    thumbnails -= thumbnails.mean(1, keepdims=True) if len(seen) else 0
    length = np.linalg.norm(thumbnails, axis=1)
    flat = length < 16  # a picture of one tone: it has no details to be recognised by
    for i, j in close_pairs(hashes).tolist():
        if seen[i].digest == seen[j].digest:
            yield i, j, True
        elif not flat[i] and not flat[j] and thumbnails[i] @ thumbnails[j] >= ALIKE * length[i] * length[j]:
            yield i, j, False


def _pairs(names: list[str], seen: Mapping[str, Seen]) -> tuple[list[str], list[str]]:
    equal: list[str] = []
    near: list[str] = []
    for i, j, same in _matches([seen[name] for name in names]):
        if seen[names[i]].stored != seen[names[j]].stored:
            (equal if same else near).append(f"{names[i]} and {names[j]}")
    return equal, near


def _decoded(seen: Mapping[str, Seen]) -> list[str]:
    return [name for name, each in seen.items() if not each.problem]


def _groups(names: Sequence[str]) -> dict[str, int]:
    """How many files of each folder and prefix: ``walk3_0001.jpg`` is of ``walk3``; names of digits are of none."""
    counts: dict[str, int] = {}
    for name in filter(None, names):
        path = PurePosixPath(name.replace("\\", "/"))
        prefix = path.stem.rstrip("0123456789").rstrip("_-. ")
        key = str(path.parent / prefix) if prefix else str(path.parent)
        counts[key] = counts.get(key, 0) + 1
    return counts
