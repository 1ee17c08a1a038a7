"""Picture files: what is in them, whether they are there, and whether they are what the labels speak of."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels
from poserior.errors import InputError

SIDE = 16
"""Side of the thumbnails that near-duplicates are compared by."""


@runtime_checkable
class Store(Protocol):
    """Where picture files lie: a folder or an archive."""

    def names(self) -> list[str]:
        """Every stored file."""

    def find(self, name: str) -> str | None:
        """The stored path of a picture, or None."""

    def read(self, stored: str) -> bytes:
        """The bytes at a stored path."""


Decode = Callable[[bytes, str], np.ndarray]
"""From a file's bytes and its name for messages to RGB ``(H, W, 3)``, pixels as stored."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of one picture file.

    Attributes:
        stored: its path in the store.
        problem: why it could not be read or decoded; "" if it could.
        size: (H, W) of the pixels as stored; (0, 0) where it could not be decoded.
        digest: SHA-1 of the bytes.
        dhash: 64 bits: which of 8 x 8 places are brighter than their right neighbours, in the shrunken grey picture.
        thumbnail: the grey picture at 16 x 16.
    """

    stored: str
    problem: str
    size: tuple[int, int]
    digest: bytes
    dhash: int
    thumbnail: UInt8[np.ndarray, "16 16"]


def look(
    labels: Labels,
    store: Store,
    decode: Decode,
    threads: int | None = None,
    watch: Callable[[Iterable[Seen], int], Iterable[Seen]] | None = None,
) -> dict[str, Seen]:
    """Decode the pictures that the labels name, each once.

    Args:
        labels: whose pictures.
        store: where they lie.
        decode: reads them.
        threads: how many are decoded at once; by default one per core.
        watch: is handed what is seen, as it comes, and the total: for a progress bar.

    Returns:
        What was seen, by the name in the labels. Names without a file are absent.
    """
    wanted: dict[str, str] = {}
    for name in labels.file:
        try:
            stored = store.find(name) if name else None
        except InputError:  # a path that climbs out of the folder
            stored = None
        if stored is not None:
            wanted[name] = stored
    unique = list(dict.fromkeys(wanted.values()))
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        found: Iterable[Seen] = pool.map(lambda path: _see(store, decode, path), unique)
        seen = {each.stored: each for each in (found if watch is None else watch(found, len(unique)))}
    return {name: seen[stored] for name, stored in wanted.items()}


def picture_files(labels: Labels, seen: dict[str, Seen], store: Store, suffixes: tuple[str, ...]) -> list[Finding]:
    """Pictures that are missing, cannot be decoded, are named twice, or that nobody speaks of."""
    named = [name for name in labels.file if name]
    missing = [name for name in dict.fromkeys(named) if name not in seen]
    broken = [f"{name}: {seen[name].problem}" for name in dict.fromkeys(named) if name in seen and seen[name].problem]
    twice = sorted({name for name in named if named.count(name) > 1}) if len(set(named)) < len(named) else []
    used = {each.stored for each in seen.values()}
    unused = [path for path in store.names() if path.lower().endswith(suffixes) and path not in used]
    many = len(missing) == len(set(named)) and bool(named)
    advice = "none is there: check --images" if many else "restore the files, or remove their entries"
    found = finding("picture-files", "error", "{} pictures are not where the labels say", missing, advice, len(missing))
    advice = "replace or drop them: training would stop there"
    found += finding("picture-files", "error", "{} pictures cannot be decoded", broken, advice, len(broken))
    advice = "join their annotations under one image id"
    found += finding("picture-files", "warning", "{} files stand under several image ids", twice, advice, len(twice))
    advice = "label them, or leave them: nothing is lost but their space"
    return found + finding("picture-files", "hint", "{} picture files are in no entry", unused, advice, len(unused))


def picture_sizes(labels: Labels, seen: dict[str, Seen], store: Store, upright: Decode) -> list[Finding]:
    """The labels' sizes are those of the files."""
    turned, exchanged, other = [], [], []
    for name, said in zip(labels.file, labels.size, strict=True):
        each = seen.get(name)
        if each is None or each.problem or not np.isfinite(said).all() or tuple(said) == each.size:
            continue
        height, width = each.size
        where = f"{name}: {said[1]:g} x {said[0]:g} said, {width} x {height} found"
        if tuple(said) != (width, height):
            other.append(where)
        elif _size(store, each.stored, upright) == (width, height):
            turned.append(where)
        else:
            exchanged.append(where)
    what = "{} pictures are turned by their EXIF mark, and the labels speak of the turned picture"
    advice = "turn the files themselves (and drop the mark), or label the pixels as stored, as COCO does"
    found = finding("picture-sizes", "error", what, turned, advice, len(turned))
    what, advice = "{} pictures have height and width exchanged in the labels", "exchange them"
    found += finding("picture-sizes", "error", what, exchanged, advice, len(exchanged))
    what = "{} pictures have another size than the labels say"
    advice = "scale points and boxes to the files, or restore the files that were labelled"
    return found + finding("picture-sizes", "error", what, other, advice, len(other))


def dhash(grey: UInt8[np.ndarray, "H W"]) -> int:
    """64 bits that stay when a picture is scaled, recompressed or made brighter.

    >>> hex(dhash(np.tile(np.arange(90, 0, -1, dtype=np.uint8), (80, 1))))
    '0xffffffffffffffff'
    """
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes(), "big")


def _see(store: Store, decode: Decode, stored: str) -> Seen:
    nothing = np.zeros((SIDE, SIDE), np.uint8)
    try:
        data = store.read(stored)
    except (InputError, OSError) as error:
        return Seen(stored, str(error), (0, 0), b"", 0, nothing)
    digest = hashlib.sha1(data, usedforsecurity=False).digest()
    try:
        pixels = decode(data, stored)
    except InputError:
        return Seen(stored, f"{len(data):,} bytes, no whole picture", (0, 0), digest, 0, nothing)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    thumbnail = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return Seen(stored, "", (pixels.shape[0], pixels.shape[1]), digest, dhash(grey), thumbnail)


def _size(store: Store, stored: str, decode: Decode) -> tuple[int, int]:
    pixels = decode(store.read(stored), stored)
    return pixels.shape[0], pixels.shape[1]
