"""Pictures to a video file that every player shows."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError
from poserior.whole_files import replacing_file

_QUALITY = {"crf": "20", "preset": "veryfast"}
_BT709, _STUDIO_RANGE = 1, 1  # what players take for granted where a file does not say, at least in large pictures


class VideoWriter:
    """H.264 in an mp4 file, 8-bit 4:2:0, which browsers and phones play.

    ``with VideoWriter(path, fps, size) as video: video.write(rgb)``. The file appears when the block ends well; after
    an exception there is none, and an older one of the name stays. The format needs even sides: of an odd one the last
    row or column is doubled.

    Args:
        path: ends in ``.mp4``.
        fps: pictures per second.
        size: their ``(H, W)``.

    Raises:
        InputError: PyAV is missing, a rate or size that is not positive, another suffix, or the folder cannot be
            written; at the end of the block: nothing was written.
    """

    def __init__(self, path: str | Path, fps: float | int, size: tuple[int, int]) -> None:
        self.path, self.size = Path(path), (int(size[0]), int(size[1]))
        if self.path.suffix.lower() != ".mp4":
            raise InputError(f"expected a video's name with .mp4, found {self.path.name!r}; rename it")
        if not fps > 0 or fps > 1000 or min(self.size) < 1:
            raise InputError(
                f"expected up to 1000 pictures a second of a positive size, found {fps} of {self.size}; correct them"
            )
        self._rate = Fraction(fps).limit_denominator(1001)
        self._count = 0

    def __enter__(self) -> "VideoWriter":
        try:
            import av
        except ImportError:
            raise InputError(
                'expected PyAV to write videos with, found it missing; pip install "poserior[video]"'
            ) from None
        self._av: Any = av
        self._file = replacing_file(self.path)
        temporary = self._file.__enter__()
        try:
            options = {"movflags": "+faststart"}
            self._container: Any = av.open(f"file:{temporary}", "w", format="mp4", options=options)
            stream = self._container.add_stream("libx264", rate=self._rate, options=_QUALITY)
            stream.height, stream.width = (side + side % 2 for side in self.size)
            stream.pix_fmt = "yuv420p"
            codec = stream.codec_context
            codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
            codec.color_range = _STUDIO_RANGE
            self._stream: Any = stream
        except BaseException as error:
            self._file.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, rgb: UInt8[np.ndarray, "H W 3"]) -> None:
        """Append a picture.

        Raises:
            InputError: it has another size.
        """
        if rgb.shape[:2] != self.size:
            raise InputError(
                f"expected pictures of {self.size} for {self.path}, found one of {rgb.shape[:2]}; resize it"
            )
        height, width = self.size
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.pts, frame.time_base = self._count, 1 / self._rate
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                if self._count == 0:
                    raise InputError(f"expected pictures for {self.path}, found none; write at least one")
                self._container.mux(self._stream.encode())
            self._container.close()
        except BaseException as failure:
            self._file.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._file.__exit__(kind, error, trace)
