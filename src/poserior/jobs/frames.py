"""Frames of a video as pictures that can be read in any thread, though the file is read in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np
from jaxtyping import UInt8

from poserior.pictures import Video


def frames(name: str, video: Video, start: int, stop: int) -> Iterator["Frame"]:
    """The frames `start` to `stop` (excluded) of a video, not read yet; each can be read once."""
    stretch = _Stretch(video, start, stop)
    return (Frame(frame_name(name, number), number, stretch) for number in range(start, stop))


def frame_name(video: str, number: int) -> str:
    """What results call a frame.

    >>> frame_name("clip.mp4", 123)
    'clip.mp4#000123'
    """
    return f"{video}#{number:06d}"


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        name: the video's and its number.
        number: from 0.
        stretch: what it is read with.
    """

    name: str
    number: int
    stretch: "_Stretch"

    def read(self, upright: bool = True) -> UInt8[np.ndarray, "H W 3"] | None:  # noqa: ARG002  # frames always are
        """Its pixels; None where the video ended before, or could not be read on after an earlier frame.

        Raises:
            InputError: the video cannot be read from here on.
        """
        return self.stretch.take(self.number)


class _Stretch:
    """Reads on to the frame that is asked for, and keeps for others what comes before it."""

    def __init__(self, video: Video, start: int, stop: int) -> None:
        self._coming = video.frames(start, stop)
        self._early: dict[int, np.ndarray] = {}
        self._lock = Lock()

    def take(self, number: int) -> np.ndarray | None:
        with self._lock:
            while number not in self._early:
                following = next(self._coming, None)
                if following is None:
                    return None
                self._early[following[0]] = following[1]
            return self._early.pop(number)
