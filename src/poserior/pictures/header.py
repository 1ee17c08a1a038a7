"""What a picture's header says, read without decoding: a few bytes can promise more pixels than memory holds."""

import io

from PIL import Image

MOST_PIXELS = 2**28
"""The largest picture that is decoded: 268 million pixels, 800 MB as RGB; phones make up to 200 million."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")


def size_in_header(data: bytes) -> tuple[int, int] | None:
    """Height and width as stored; None if these are the first bytes of no picture that Pillow knows.

    >>> size_in_header(b"P6 30000 20000 255 "), size_in_header(b"no picture")
    ((20000, 30000), None)
    """
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
