"""What an exported file says of its model: a JSON object in the graph's metadata."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poserior.errors import InputError
from poserior.skeletons import Skeleton

METADATA_KEY, FORMAT_VERSION = "poserior", 1


@dataclass(frozen=True)
class Exported:
    """What predicting with an exported model needs to know beside the graph; named as in `poserior.models.ModelSpec`.

    Attributes:
        skeleton: what the keypoints are.
        image_size: the crop's ``(H, W)``.
        box_padding: how much larger than the box the crop is.
        area_per_box: the mean share of a person's box that the object's area is.
        flip_test: the graph fuses every density with the mirrored crop's.
        regions: regions with guaranteed coverage as numbers; None without.
        about: everything the file says, for people: head, calibrator, what was fitted on what, ...
    """

    skeleton: Skeleton
    image_size: tuple[int, int]
    box_padding: float
    area_per_box: float
    flip_test: bool
    regions: Mapping[str, Any] | None = None
    about: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


def parse(metadata: Mapping[str, str], path: Path) -> Exported:
    """The description in a graph's metadata.

    Args:
        metadata: the file's key-value pairs.
        path: for messages.

    Raises:
        InputError: the file was not written by ``poserior export``, or by a later version, or is damaged.
    """
    if METADATA_KEY not in metadata:
        raise InputError(
            f"expected a model that `poserior export` wrote, found none of its metadata in {path}; export the run"
        )
    try:
        content = json.loads(metadata[METADATA_KEY])
        version = content["format_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"expected a JSON object with format_version as metadata of {path}, found something else; export the run"
            " again"
        ) from None
    if not isinstance(version, int) or version < 1 or version > FORMAT_VERSION:
        raise InputError(
            f"expected format version {FORMAT_VERSION} in {path}, found {version}; install the version of Poserior that"
            " wrote the file, or export the run again"
        )
    try:
        return _exported(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"the key {error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"the metadata of {path} cannot be used: {reason}; export the run again") from None


def _exported(content: Mapping[str, Any]) -> Exported:
    height, width = content["image_size"]
    if not (isinstance(height, int) and isinstance(width, int) and height > 0 and width > 0):
        raise ValueError(f"image_size must be two positive whole numbers, not {content['image_size']}")
    return Exported(
        skeleton=_skeleton(content["skeleton"]),
        image_size=(height, width),
        box_padding=_positive(content, "box_padding"),
        area_per_box=_positive(content, "area_per_box"),
        flip_test=bool(content["flip_test"]),
        regions=content.get("regions"),
        about=content,
    )


def _positive(content: Mapping[str, Any], key: str) -> float:
    value = float(content[key])
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{key} must be a positive number, not {content[key]}")
    return value


def _skeleton(content: Mapping[str, Any]) -> Skeleton:
    skeleton = Skeleton(
        name=str(content["name"]),
        keypoints=tuple(map(str, content["keypoints"])),
        edges=tuple((int(a), int(b)) for a, b in content["edges"]),
        flip_pairs=tuple((str(a), str(b)) for a, b in content["flip_pairs"]),
        oks_sigmas=tuple(map(float, content["oks_sigmas"])),
        upper_body=tuple(map(str, content.get("upper_body", ()))),
        parts=tuple((str(part), tuple(map(str, points))) for part, points in content.get("parts", ())),
    )
    if len(skeleton.oks_sigmas) != skeleton.num_keypoints or not skeleton.keypoints:
        raise ValueError(f"{skeleton.num_keypoints} keypoints have {len(skeleton.oks_sigmas)} oks_sigmas")
    if not all(0 <= end < skeleton.num_keypoints for edge in skeleton.edges for end in edge):
        raise ValueError(f"the skeleton's edges speak of other keypoints than its {skeleton.num_keypoints}")
    for name in sum(skeleton.flip_pairs, ()):
        skeleton.index(name)  # refuses one that is not listed
    return skeleton
