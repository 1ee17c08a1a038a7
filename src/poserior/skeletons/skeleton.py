"""The `Skeleton`: one frozen object that travels with every sample, target and prediction."""

import math
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from poserior.errors import InputError


@dataclass(frozen=True)
class Skeleton:
    """Names, connections, mirror pairs and OKS constants of one set of keypoints.

    Attributes:
        name: what the skeleton is called.
        keypoints: the K keypoint names in order; ``left_``/``right_`` are the person's own.
        edges: limbs as pairs of 0-based indices.
        flip_pairs: pairs of names that a mirror image exchanges.
        oks_sigmas: COCO's per-keypoint constants (the standard deviation of human labels over the square root of the
            object's area); ``OKS_k = exp(-d^2 / (2 area (2 sigma_k)^2))``.
        upper_body: the names that the half-body crop keeps together; empty if the notion makes no sense.
        parts: groups of keypoints that are evaluated on their own, as (part, names); empty if there are none.

    >>> load("coco17").num_keypoints
    17
    >>> load("coco17").flip_indices[:5]
    (0, 2, 1, 4, 3)
    >>> {part: len(indices) for part, indices in load("coco133").part_indices.items()}
    {'body': 17, 'foot': 6, 'face': 68, 'left_hand': 21, 'right_hand': 21}
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[str, str], ...]
    oks_sigmas: tuple[float, ...]
    upper_body: tuple[str, ...] = ()
    parts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def num_keypoints(self) -> int:
        """K."""
        return len(self.keypoints)

    @cached_property
    def flip_indices(self) -> tuple[int, ...]:
        """The permutation of K indices that exchanges left and right."""
        order = list(range(len(self.keypoints)))
        for left, right in self.flip_pairs:
            i, j = self.index(left), self.index(right)
            order[i], order[j] = j, i
        return tuple(order)

    @property
    def part_indices(self) -> dict[str, tuple[int, ...]]:
        """The positions of each part's keypoints, by the part's name."""
        return {part: tuple(self.index(point) for point in points) for part, points in self.parts}

    def index(self, keypoint: str) -> int:
        """The position of a keypoint's name."""
        if keypoint not in self.keypoints:
            raise InputError(
                f"expected a keypoint of skeleton {self.name!r} ({', '.join(self.keypoints)}), found {keypoint!r};"
                " correct the name"
            )
        return self.keypoints.index(keypoint)


def names() -> tuple[str, ...]:
    """The built-in skeletons.

    >>> names()
    ('coco133', 'coco17', 'face14', 'h36m17', 'lsp14', 'mpii16')
    """
    files = resources.files("poserior.skeletons").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


def load(name_or_path: str | Path) -> Skeleton:
    """A built-in skeleton by its name, or one's own by the path of its YAML file.

    The file's keys: ``name``, ``keypoints`` (a list of ``{name, sigma}``), and optionally ``edges`` (pairs of names),
    ``flip_pairs`` (pairs of names), ``upper_body`` (names), ``parts`` (each part's name and its keypoints' names).

    Raises:
        InputError: the name is unknown, the file is missing, or its content is no skeleton.
    """
    if str(name_or_path) in names():
        text = resources.files("poserior.skeletons").joinpath(f"{name_or_path}.yaml").read_text(encoding="utf-8")
        return _parse(text, str(name_or_path))
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"expected a skeleton's name ({', '.join(names())}) or the path of a YAML file,"
            f" found {str(name_or_path)!r}; correct it"
        )
    return _parse(path.read_text(encoding="utf-8", errors="replace"), str(path))


def _parse(text: str, source: str) -> Skeleton:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"expected YAML in skeleton file {source}, found a syntax error"
            f" ({' '.join(str(error).split())}); correct it"
        ) from None
    try:
        return _build(content)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"skeleton {source} is not usable: {_reason(error)}; expected name, keypoints (a list of {{name, sigma}}),"
            " edges, flip_pairs, upper_body and parts (by keypoint names)"
        ) from None


def _reason(error: Exception) -> str:
    return f"the key {error} is missing" if isinstance(error, KeyError) else str(error)


def _build(content: Any) -> Skeleton:
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__} at its top, not a mapping")
    unknown = set(content) - {"name", "keypoints", "edges", "flip_pairs", "upper_body", "parts"}
    if unknown:
        raise ValueError(f"found the unknown keys {sorted(map(str, unknown))}")
    points = tuple(str(point["name"]) for point in content["keypoints"])
    sigmas = tuple(float(point["sigma"]) for point in content["keypoints"])
    if not points or len(set(points)) != len(points):
        raise ValueError("the keypoints must be at least one and all differ in name")
    if not all(math.isfinite(sigma) and sigma > 0 for sigma in sigmas):
        raise ValueError("every sigma must be a positive number")
    edges = tuple((_position(points, a), _position(points, b)) for a, b in content.get("edges") or ())
    pairs = tuple((str(a), str(b)) for a, b in content.get("flip_pairs") or ())
    upper = tuple(map(str, content.get("upper_body") or ()))
    parts = _parts(content.get("parts"))
    for point in [*sum(pairs, ()), *upper, *(point for _, members in parts for point in members)]:
        _position(points, point)
    mirrored = sum(pairs, ())
    if len(set(mirrored)) != len(mirrored):
        raise ValueError("a keypoint may stand in one flip pair only")
    return Skeleton(str(content["name"]), points, edges, pairs, sigmas, upper, parts)


def _parts(content: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if content is None:
        return ()
    if not isinstance(content, dict) or not all(isinstance(members, list) for members in content.values()):
        raise ValueError("parts must be a mapping from each part's name to a list of keypoint names")
    parts = tuple((str(part), tuple(map(str, members))) for part, members in content.items())
    for part, members in parts:
        if not members or len(set(members)) != len(members):
            raise ValueError(f"the part {part!r} must have at least one keypoint, and each once")
    return parts


def _position(points: tuple[str, ...], point: Any) -> int:
    if not isinstance(point, str) or point not in points:
        raise ValueError(f"it speaks of the keypoint {point!r}, which it does not list")
    return points.index(point)
