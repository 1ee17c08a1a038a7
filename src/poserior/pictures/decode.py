"""Bytes of a picture file to pixels."""

import cv2
import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError


class CorruptImageError(InputError):
    """A picture is there but cannot be decoded."""


def decode(
    data: bytes, source: str, upright: bool = False, advice: str = "replace or drop it"
) -> UInt8[np.ndarray, "H W 3"]:
    """Bytes of a picture file to RGB ``(H, W, 3)``.

    Grey is repeated, alpha is dropped, CMYK is converted, of 16 bits the upper 8 are kept.

    Args:
        data: the file's content.
        source: what messages call it.
        upright: turn the picture as its file asks viewers to (EXIF); annotations speak of the pixels as stored.
        advice: what to do about a picture that cannot be decoded, for the message.

    Raises:
        CorruptImageError: the bytes are no picture, or only the beginning of one.
    """
    image = None
    # Older OpenCV fills the missing rest of a truncated JPEG with grey: look for the end mark after the last scan.
    whole = data[:2] != b"\xff\xd8" or data[-2:] == b"\xff\xd9"
    truncated = not whole and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if data and not truncated:
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
