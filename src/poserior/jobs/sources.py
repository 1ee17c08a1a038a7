"""Where a job's pictures come from: found once, held as a light list, cut into parts, read one at a time."""

import glob
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from poserior.jobs.frames import frames
from poserior.jobs.job import Job, Part
from poserior.pictures import VIDEO_SUFFIXES, Pictures, Video, find_pictures, short_names


@runtime_checkable
class Readable(Protocol):
    """A picture that is not read yet: `poserior.pictures.Picture`, or one frame of a video."""

    @property
    def name(self) -> str:
        """What results call it."""

    def read(self, upright: bool = True) -> UInt8[np.ndarray, "H W 3"] | None:
        """Its pixels as RGB; None where a video ended before."""


class Sources:
    """The pictures of a job, in an order that every process finds alike: first pictures, then videos frame by frame.

    Args:
        job: says where to look.

    Attributes:
        videos: those that were named, by what results call them.
        parts: what the job falls into.

    Raises:
        InputError: an input does not exist or holds no picture.
    """

    def __init__(self, job: Job) -> None:
        found = [list(_videos(given)) for given in job.inputs]
        paths = list(dict.fromkeys(path for some in found for path in some))
        self.videos = {name: Video(path) for name, path in zip(short_names(paths), paths, strict=True)}
        others = [given for given, some in zip(job.inputs, found, strict=True) if not some]
        self._pictures = find_pictures(others, job.recursive, job.folder) if others else Pictures([], [])
        self._lengths = [len(self._pictures), *(_count(video) for video in self.videos.values())]
        stretches = [
            (source, start, min(start + job.part_size, length))
            for source, length in enumerate(self._lengths)
            for start in range(0, length, job.part_size)
        ]
        self.parts = [Part(index, *stretch) for index, stretch in enumerate(stretches)]

    def __len__(self) -> int:
        """How many pictures and frames there are; an edited video may show fewer than its file says."""
        return sum(self._lengths)

    def read(self, part: Part) -> Iterator[Readable]:
        """The pictures of a part in order; nothing is read yet."""
        if part.source == 0:
            return (self._pictures[n] for n in range(part.start, part.stop))
        name = list(self.videos)[part.source - 1]
        return frames(name, self.videos[name], part.start, part.stop)

    def names(self) -> Iterator[str]:
        """What results call the pictures, in order."""
        return (picture.name for part in self.parts for picture in self.read(part))

    def fingerprint(self) -> str:
        """Changes when pictures come, go, or change their names or places in an archive."""
        digest = hashlib.sha256()
        for name, (_, member) in self._pictures.rows():
            digest.update(f"{name}\0{member}\n".encode(errors="surrogateescape"))
        for name, length in zip(self.videos, self._lengths[1:], strict=True):
            digest.update(
                f"{name}\0{length}\0{self.videos[name].path.stat().st_size}\n".encode(errors="surrogateescape")
            )
        return digest.hexdigest()


def plan(job: Job) -> list[Part]:
    """The parts a job falls into, in an order that every process finds alike.

    Raises:
        InputError: an input does not exist or holds no picture.
    """
    return Sources(job).parts


def _videos(given: str) -> Iterator[str]:
    """The video files that an input names by their endings; none if it is something else."""
    if given.lower().endswith(VIDEO_SUFFIXES):
        yield from [given] if Path(given).is_file() else sorted(glob.glob(given, recursive=True))  # noqa: PTH207


def _count(video: Video) -> int:
    return video.count or sum(1 for _ in video.frames())
