"""Training, validation and test parts, so that no picture, and no group of pictures, is in two of them."""

import math
import random
import re
from dataclasses import replace

from poserior.errors import InputError
from poserior.formats.record import Annotations

PARTS = ("train", "val", "test")


def split(annotations: Annotations, shares: tuple[float, ...], seed: int = 0, group: str | None = None) -> Annotations:
    """The same annotations, each picture in one part: ``train``, ``val`` and, for three shares, ``test``.

    Groups are taken in random order, each into the part that lacks most pictures.

    Args:
        annotations: the labels; parts that they have are forgotten.
        shares: two or three positive numbers; only their ratios count.
        seed: of the random order.
        group: a regular expression, searched in pictures' names: where its first group (the whole match, if it has
            none) is the same, pictures stay together. Frames of one video in two parts would make a test worthless.

    Raises:
        InputError: shares are wrong, the expression is none or does not match a name, a part stays empty.
    """
    if len(shares) not in (2, 3) or not all(math.isfinite(share) and share > 0 for share in shares):
        raise InputError(f"expected two or three positive shares such as 0.8/0.2, found {'/'.join(map(str, shares))}")
    groups: dict[str, list[int]] = {}
    for index, image in enumerate(annotations.images):
        groups.setdefault(_group(group, image.name), []).append(index)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    counts = [0] * len(shares)
    part_of: dict[int, str] = {}
    for name in order:
        wanted = [share / sum(shares) * len(annotations.images) - n for share, n in zip(shares, counts, strict=True)]
        chosen = wanted.index(max(wanted))
        counts[chosen] += len(groups[name])
        part_of |= dict.fromkeys(groups[name], PARTS[chosen])
    if not all(counts):
        raise InputError(
            f"expected pictures for {len(shares)} parts, found {len(annotations.images)} in {len(groups)} groups; use"
            " fewer parts or smaller groups"
        )
    images = tuple(replace(image, part=part_of[n]) for n, image in enumerate(annotations.images))
    return replace(annotations, images=images)


def _group(pattern: str | None, name: str) -> str:
    if pattern is None:
        return name
    try:
        found = re.search(pattern, name)
    except re.error as error:
        raise InputError(f"expected a regular expression as --group, found {pattern!r} ({error}); correct it") from None
    if found is None:
        raise InputError(f"expected --group {pattern!r} to match every picture's name, found {name!r}; widen it")
    return found.group(1) or "" if found.re.groups else found.group(0)
