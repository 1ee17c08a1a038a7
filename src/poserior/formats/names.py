"""The keypoints of a file and the skeleton they are of."""

import re
from collections.abc import Sequence
from dataclasses import replace

from poserior import skeletons
from poserior.errors import InputError
from poserior.formats.record import Annotations
from poserior.skeletons import Skeleton


def known_skeleton(keypoints: Sequence[str]) -> Skeleton | None:
    """The built-in skeleton with these keypoints in this order, however spelt; None if there is none.

    >>> known_skeleton(["left eye", "right eye"]) is None
    True
    """
    wanted = list(map(_plain, keypoints))
    every = map(skeletons.load, skeletons.names())
    return next((skeleton for skeleton in every if list(map(_plain, skeleton.keypoints)) == wanted), None)


def skeleton_of(annotations: Annotations, name: str) -> Skeleton:
    """The known skeleton of the keypoints, or a new one called `name`: edges of the file, constants by the names."""
    guessed = skeletons.guess(name, annotations.keypoints, annotations.edges, annotations.flip_pairs)
    return known_skeleton(annotations.keypoints) or guessed


def as_skeleton(annotations: Annotations, skeleton: Skeleton) -> Annotations:
    """The same labels under a skeleton's names, in its order, with its edges and mirror pairs.

    Where the file has no names for its keypoints, they are taken to be in the skeleton's order.

    Raises:
        InputError: the file's keypoints are not the skeleton's.
    """
    place = {_plain(name): k for k, name in enumerate(annotations.keypoints)}
    wanted = [_plain(name) for name in skeleton.keypoints]
    if not annotations.named and len(place) == len(wanted):
        place = {name: k for k, name in enumerate(wanted)}
    if set(place) != set(wanted) or len(wanted) != len(annotations.keypoints):
        raise InputError(
            f"expected the {len(wanted)} keypoints of skeleton {skeleton.name!r}"
            f" ({', '.join(skeleton.keypoints):.200}),"
            f" found {len(annotations.keypoints)} ({', '.join(annotations.keypoints):.200});"
            " give the skeleton that fits"
        )
    order = [place[name] for name in wanted]
    people = tuple(replace(person, points=tuple(person.points[k] for k in order)) for person in annotations.people)
    return replace(
        annotations,
        people=people,
        keypoints=skeleton.keypoints,
        edges=skeleton.edges,
        flip_pairs=skeleton.flip_pairs,
        named=True,
    )


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower())
