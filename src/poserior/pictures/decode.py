"""Bytes of a picture file to pixels."""

import cv2
import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError
from poserior.pictures.header import MOST_PIXELS, size_in_header


class CorruptImageError(InputError):
    """A picture is there but cannot be decoded."""


def decode(
    data: bytes, source: str, upright: bool = False, advice: str = "replace or drop it"
) -> UInt8[np.ndarray, "H W 3"]:
    """Bytes of a picture file to RGB ``(H, W, 3)``.

    Grey is repeated, alpha is dropped, CMYK is converted, of 16 bits the upper 8 are kept; of an animation the first
    picture is taken.

    Args:
        data: the file's content.
        source: what messages call it.
        upright: turn the picture as its file asks viewers to (EXIF); annotations speak of the pixels as stored.
        advice: what to do about a picture that cannot be decoded, for the message.

    Raises:
        CorruptImageError: the bytes are no picture, only the beginning of one, or one of more than `MOST_PIXELS`.
    """
    image = None
    # Older OpenCV fills the missing rest of a truncated JPEG with grey: look for the end mark after the last scan.
    whole = data[:2] != b"\xff\xd8" or data[-2:] == b"\xff\xd9"
    truncated = not whole and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    size = size_in_header(data)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise CorruptImageError(
            f"expected a picture of at most {MOST_PIXELS / 1e6:.0f} million pixels at {source}, found"
            f" {size[1]} x {size[0]}; make it smaller, or drop it"
        )
    if size is not None and not truncated:
        flags = cv2.IMREAD_COLOR_RGB | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # e.g. a header that claims more pixels than OpenCV is willing to hold
            image = None
    if image is None:
        raise CorruptImageError(
            f"expected a picture at {source}, found {len(data)} bytes that cannot be decoded; {advice}"
        )
    return np.asarray(image, np.uint8)
