"""Where a job's pictures come from: found once, held as a light list, cut into parts, read one at a time."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from poserior.jobs.job import Job, Part
from poserior.pictures import Pictures, find_pictures


@runtime_checkable
class Readable(Protocol):
    """A picture that is not read yet: `poserior.pictures.Picture`, or one frame of a video."""

    @property
    def name(self) -> str:
        """What results call it."""

    def read(self, upright: bool = True) -> UInt8[np.ndarray, "H W 3"]:
        """Its pixels as RGB."""


class Sources:
    """The pictures of a job, in an order that every process finds alike.

    Args:
        job: says where to look.

    Raises:
        InputError: an input does not exist or holds no picture.
    """

    def __init__(self, job: Job) -> None:
        self.pictures: Pictures = find_pictures(job.inputs, job.recursive, without=job.folder)
        self.parts = [
            Part(index, 0, start, min(start + job.part_size, len(self.pictures)))
            for index, start in enumerate(range(0, len(self.pictures), job.part_size))
        ]

    def __len__(self) -> int:
        """How many pictures and frames there are."""
        return sum(map(len, self.parts))

    def read(self, part: Part) -> Iterator[Readable]:
        """The pictures of a part in order; nothing is read yet."""
        return (self.pictures[n] for n in range(part.start, part.stop))

    def names(self) -> Iterator[str]:
        """What results call the pictures, in order."""
        return (picture.name for picture in self.pictures)

    def fingerprint(self) -> str:
        """Changes when pictures come, go, or change their names or places in an archive."""
        digest = hashlib.sha256()
        for picture in self.pictures:
            digest.update(f"{picture.name}\0{Path(picture.path).name}\0{picture.member}\n".encode())
        return digest.hexdigest()


def plan(job: Job) -> list[Part]:
    """The parts a job falls into, in an order that every process finds alike.

    Raises:
        InputError: an input does not exist or holds no picture.
    """
    return Sources(job).parts
