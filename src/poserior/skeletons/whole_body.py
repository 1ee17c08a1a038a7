"""COCO-WholeBody's files keep each part's keypoints under a key of its own; here they become one list."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from poserior.errors import InputError
from poserior.skeletons.skeleton import Skeleton


def part_keys(skeleton: Skeleton) -> dict[str, str]:
    """The key under which a COCO-WholeBody record has each part's keypoints.

    The first part's key is COCO's own. Empty if the parts, one after the other, are not the skeleton's keypoints.

    >>> from poserior.skeletons import load
    >>> part_keys(load("coco133"))["left_hand"], part_keys(load("coco17"))
    ('lefthand_kpts', {})
    """
    if sum((points for _, points in skeleton.parts), ()) != skeleton.keypoints:
        return {}
    names = [part for part, _ in skeleton.parts]
    return {part: f"{part.replace('_', '')}_kpts" if n else "keypoints" for n, part in enumerate(names)}


def join_annotations(people: Sequence[Mapping[str, Any]], skeleton: Skeleton) -> list[dict[str, Any]]:
    """Annotations with the keypoints of all parts in one list under ``keypoints``, in the skeleton's order.

    An invalid or absent part is one without labels. Flags between 0 and 1 (points that a model proposed, with its
    score) become 1: the official evaluation counts every flag above 0. `num_keypoints` follows. Records that are in
    one list already, and skeletons without COCO-WholeBody's parts, pass unchanged but for such flags.

    Args:
        people: records of a COCO or COCO-WholeBody annotation file.
        skeleton: what the keypoints are.

    Raises:
        InputError: a part has another number of values than three per keypoint.
    """
    keys = part_keys(skeleton)
    return (
        [_annotation(person, n, keys, skeleton) for n, person in enumerate(people)] if keys else list(map(dict, people))
    )


def join_results(results: Sequence[Mapping[str, Any]], skeleton: Skeleton) -> list[dict[str, Any]]:
    """Results with the keypoints of all parts in one list; see `join_annotations`. The third numbers stay."""
    keys = part_keys(skeleton)
    joined = []
    for n, result in enumerate(results):
        points = _joined(result, f"result {n}", keys, skeleton)
        joined.append(dict(result) if points is None else {**result, "keypoints": points})
    return joined


def _annotation(person: Mapping[str, Any], number: int, keys: Mapping[str, str], skeleton: Skeleton) -> dict[str, Any]:
    where = f"annotation {person.get('id', f'number {number}')}"
    invalid = {key: [0] * len(person[key]) for key in keys.values() if _is_invalid(person, key)}
    points = _joined({**person, **invalid}, where, keys, skeleton)
    if points is None:
        points = person.get("keypoints")
        if not isinstance(points, list) or len(points) != 3 * skeleton.num_keypoints:
            return dict(person)  # whoever reads it says what is wrong
    flags = [math.ceil(flag) if _is_number(flag) and 0 < flag < 1 else flag for flag in points[2::3]]
    points = [value for n in range(len(flags)) for value in (*points[3 * n : 3 * n + 2], flags[n])]
    labelled = sum(_is_number(flag) and flag > 0 for flag in flags)
    return {**person, "keypoints": points, "num_keypoints": labelled}


def _joined(
    record: Mapping[str, Any], where: str, keys: Mapping[str, str], skeleton: Skeleton
) -> list[float | int] | None:
    """The parts' lists as one; None for a record that has no lists of its own for its parts."""
    own = list(keys.values())[1:]
    if not any(key in record for key in own) or _is_whole(record, skeleton):
        return None
    joined: list[float | int] = []
    for (_, members), key in zip(skeleton.parts, keys.values(), strict=True):
        points = record.get(key) or [0] * (3 * len(members))
        if not isinstance(points, list) or len(points) != 3 * len(members):
            found = f"{len(points)} values" if isinstance(points, list) else type(points).__name__
            raise InputError(
                f"expected {3 * len(members)} numbers (x, y, v of {len(members)} keypoints) as {key!r} of {where},"
                f" found {found}; correct the file"
            )
        joined += points
    return joined


def _is_whole(record: Mapping[str, Any], skeleton: Skeleton) -> bool:
    points = record.get("keypoints")
    return isinstance(points, list) and len(points) == 3 * skeleton.num_keypoints


def _is_invalid(person: Mapping[str, Any], key: str) -> bool:
    return person.get(key.replace("_kpts", "_valid")) is False and key in person and isinstance(person[key], list)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
