"""A skeleton for keypoints of which only the names are known."""

from collections.abc import Iterable, Sequence

from poserior.skeletons.by_name import middle_sigma, mirror_name, sigma_by_name
from poserior.skeletons.skeleton import Skeleton


def guess(
    name: str,
    keypoints: Sequence[str],
    edges: Iterable[tuple[int, int]] = (),
    flip_pairs: Iterable[tuple[str, str]] | None = None,
) -> Skeleton:
    """A skeleton whose mirror pairs, unless given, and OKS constants go by the keypoints' names.

    A keypoint whose name is unknown gets the middle one of COCO's constants.

    >>> crane = guess("crane", ["base", "left_tip", "right_tip"], [(0, 1), (0, 2)])
    >>> crane.flip_pairs, crane.oks_sigmas
    ((('left_tip', 'right_tip'),), (0.072, 0.072, 0.072))
    """
    sigmas = tuple(known[0] if (known := sigma_by_name(point)) else middle_sigma() for point in keypoints)
    pairs = mirror_pairs(keypoints) if flip_pairs is None else tuple(flip_pairs)
    return Skeleton(name, tuple(keypoints), tuple(edges), pairs, sigmas)


def mirror_pairs(keypoints: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The pairs of names that differ in left and right alone.

    >>> mirror_pairs(["tail", "paw_r", "paw_l", "left_ear"])
    (('paw_r', 'paw_l'),)
    """
    pairs = [(point, mirror_name(point)) for point in keypoints]
    return tuple((a, b) for n, (a, b) in enumerate(pairs) if a != b and b in keypoints[n:])
