"""What a picture's header says, read without decoding: a few bytes can promise more pixels than memory holds."""

import io
import struct

from PIL import Image

MOST_PIXELS = 2**28
"""The largest picture that is decoded: 268 million pixels, 800 MB as RGB; phones make up to 200 million."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")


def size_in_header(data: bytes) -> tuple[int, int] | None:
    """Height and width as stored; None if these are the first bytes of no picture that Pillow knows.

    >>> size_in_header(b"P6 30000 20000 255 "), size_in_header(b"no picture")
    ((20000, 30000), None)
    """
    size = _plain_jpeg(data)
    if size is not None:
        return size
    Image.init()
    for name in _FORMATS:
        if name not in Image.OPEN:  # Pillow was built without it
            continue
        picture_class, accept = Image.OPEN[name]
        # The class itself, not Image.open: that one warns about large pictures, and warnings are the process's.
        if accept is None or accept(data[:16]) is True:
            try:
                with picture_class(io.BytesIO(data), "") as picture:
                    return picture.height, picture.width
            except Exception:  # what a broken header raises differs from format to format
                return None
    return None


_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
# Huffman tables, restarts, JFIF, Exif, ICC, Adobe, comments: with less than these lengths Pillow finds them broken.
_SKIPPED = {0xC4: 2, 0xDD: 2, 0xE0: 9, 0xE1: 2, 0xE2: 16, 0xEE: 9, 0xFE: 2}
_QUANTISATION, _SCAN = 0xDB, 0xDA


def _plain_jpeg(data: bytes) -> tuple[int, int] | None:
    """Height and width of a JPEG without oddities; None for all others, which are left to Pillow.

    Training opens millions of JPEGs: five times as fast as Pillow, whose answer it is (Pillow reads metadata as well).
    """
    if data[:3] != b"\xff\xd8\xff":
        return None
    found, position, end = None, 2, len(data)
    while position + 4 <= end and data[position] == 0xFF:
        marker, length = data[position + 1], data[position + 2] << 8 | data[position + 3]
        content, position = position + 4, position + 2 + length
        if length < 2 or position > end:
            return None
        if marker == _SCAN:
            return found
        if marker in _FRAMES:
            # One frame only, of 8 bits and 1, 3 or 4 colours: what else there may be, Pillow knows.
            if found or length < 9 or data[content] != 8 or data[content + 5] not in (1, 3, 4):
                return None
            height, width = struct.unpack_from(">HH", data, content + 1)
            if length != 8 + 3 * data[content + 5] or not height or not width:
                return None
            found = height, width
        elif marker == _QUANTISATION:
            if (length - 2) % 65 or any(data[i] > 15 for i in range(content, position, 65)):
                return None
        elif length < _SKIPPED.get(marker, 1 << 16):
            return None
    return None
