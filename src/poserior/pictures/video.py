"""The pictures of a video file, one by one and by number."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp",
)  # fmt: skip

# Containers only: a playlist under a video's name could send the reader to other files or hosts.
_CONTAINERS = "mov,matroska,avi,mpeg,mpegts,asf,flv"
_LIMITS = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
_TRIES = 3  # key frames to try for a seek before reading from the beginning
_USUAL_RATE = 25.0

Frame = UInt8[np.ndarray, "H W 3"]


class Video:
    """A video file as numbered RGB pictures; 0 is the first one shown.

    Pictures are turned as the file asks players to; pixels that are not square stay as they are stored. Only one
    picture is held at a time. A picture keeps its number however the reading began, also where frames are stored in
    another order than shown or at irregular times.

    Args:
        path: the file; its container is recognised by its content.

    Attributes:
        path: the file.
        fps: pictures per second, the mean where they come at irregular times; 25 where the file does not say.
        size: ``(H, W)`` as shown.
        count: how many pictures the file says it has; None where it does not say. Edited files may show fewer.

    Raises:
        InputError: PyAV is missing, or there is no video that can be decoded.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._opened() as (container, stream):
            first = next(_decoded(container.demux(stream)), None)
            if first is None:
                raise InputError(f"expected a video in {self.path}, found no picture in it; replace it")
            rate = stream.average_rate or stream.guessed_rate or stream.base_rate
            self._stored = (first.height, first.width)
            self._turns = _quarter_turns(first)
            self.fps = float(rate) if rate else _USUAL_RATE
            self.count: int | None = stream.frames or None
        height, width = self._stored
        self.size: tuple[int, int] = (width, height) if self._turns % 2 else (height, width)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Frame]]:
        """Pictures `start` to `stop` (excluded; None is the end) with their numbers, decoded as they are asked for.

        To begin in the middle, the file is first looked through without decoding (once per `Video`), then decoded from
        the key frame before `start`.

        Raises:
            InputError: a negative number; while reading: the file is damaged or ends too early.
        """
        if start < 0 or (stop is not None and stop < 0):
            raise InputError(f"expected numbers of pictures from 0, found {start} to {stop}; count from the beginning")
        if stop is not None and stop <= start:
            return iter(())
        return self._from_key_frame(start, stop) if start else self._from_beginning(0, stop)

    def _from_beginning(self, start: int, stop: int | None) -> Iterator[tuple[int, Frame]]:
        with self._opened() as (container, stream):
            for number, frame in enumerate(_decoded(container.demux(stream))):
                if number >= start:
                    yield number, self._pixels(frame)
                if stop is not None and number + 1 >= stop:
                    return

    def _from_key_frame(self, start: int, stop: int | None) -> Iterator[tuple[int, Frame]]:
        """As `_from_beginning`, and handed over to it where the file cannot be entered, or its times be trusted."""
        times, keys = self._times
        if times is None:
            yield from self._from_beginning(start, stop)
            return
        number, end = start, len(times) if stop is None else min(stop, len(times))
        if start >= end:
            return
        with self._opened() as (container, stream):
            packets = _entered(container, stream, keys[keys <= times[start]])
            for frame in _decoded(packets) if packets is not None else ():
                if frame.pts is None or (number == start and frame.pts < times[start]):
                    continue
                if frame.pts != times[number]:
                    break
                yield number, self._pixels(frame)
                number += 1
                if number >= end:
                    return
        yield from self._from_beginning(number, stop)

    @cached_property
    def _times(self) -> tuple[np.ndarray | None, np.ndarray]:
        """When each picture is shown, in order, and when each key frame is; in the stream's own unit.

        A picture's number is its time's place, for key frames' numbers are not in the file. None if times are missing
        or double.
        """
        with self._opened() as (container, stream):
            shown: list[int | None] = []
            keys: list[int] = []
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                if packet.is_keyframe and packet.pts is not None:
                    keys.append(packet.pts)
                if not packet.is_discard:
                    shown.append(packet.pts)
        if any(time is None for time in shown) or len(set(shown)) != len(shown):
            return None, np.zeros(0, np.int64)
        return np.sort(np.array(shown, np.int64)), np.sort(np.array(keys, np.int64))

    def _pixels(self, frame: Any) -> Frame:
        height, width = self._stored
        pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
        return np.ascontiguousarray(np.rot90(pixels, self._turns))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        try:
            import av
        except ImportError:
            raise InputError(
                'expected PyAV to read videos with, found it missing; pip install "poserior[video]"'
            ) from None
        try:
            with av.open(f"file:{self.path}", container_options=_LIMITS) as container:
                streams = [stream for stream in container.streams.video if not _is_cover(stream)]
                if not streams:
                    raise InputError(f"expected a video in {self.path}, found none among its streams; replace it")
                streams[0].thread_type = "AUTO"
                yield container, streams[0]
        except av.error.FFmpegError as error:
            found = error.strerror or type(error).__name__
            raise InputError(f"expected a whole video at {self.path}, found: {found}; replace it") from None


def _decoded(packets: Iterable[Any]) -> Iterator[Any]:
    """The frames in the order they are shown in."""
    for packet in packets:
        if packet.is_corrupt:
            place = "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.2f} s"
            path = str(packet.stream.container.name).removeprefix("file:")
            raise InputError(f"expected a whole video at {path}, found it damaged or cut off{place}; replace it")
        yield from packet.decode()


def _entered(container: Any, stream: Any, keys: np.ndarray) -> Iterable[Any] | None:
    """The packets from the last of the key frames, or one soon before, on; None if no seek gets there.

    Containers look times up in their own ways (some by the order of decoding), so where a seek ended is checked.
    """
    for key in keys[::-1][:_TRIES].tolist():
        container.seek(key, stream=stream)
        packets = iter(container.demux(stream))
        first = next((packet for packet in packets if packet.is_keyframe and packet.pts is not None), None)
        if first is not None and first.pts <= keys[-1]:
            return chain([first], packets)
    return None


def _quarter_turns(frame: Any) -> int:
    """How often 90 degrees anticlockwise; players do no other turns either."""
    return round(float(frame.rotation) / 90) % 4


def _is_cover(stream: Any) -> bool:
    return "attached_pic" in str(stream.disposition)
