import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from poserior.pictures.header import _plain_jpeg, size_in_header

GREY = np.random.default_rng(0).integers(0, 256, (11, 13), np.uint8)


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


PLAIN = jpeg()
HEADER = PLAIN.find(b"\xff\xda") + 20


def pillows(data: bytes) -> tuple[int, int] | None:
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data), "") as picture:
            return picture.height, picture.width
    except Exception:
        return None


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": "by hand"}, {"icc_profile": bytes(200)}])
def test_ordinary_jpegs_are_read_without_pillow(mode, options) -> None:
    assert _plain_jpeg(jpeg(mode, **options)) == (11, 13)


def test_a_cameras_jpeg_is_read_without_pillow() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert _plain_jpeg(jpeg(exif=exif)) == (11, 13)  # as stored, not as turned


@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xdb\0\x12" + bytes(16),  # a quantisation table that is too short
        b"\xff\xe0\0\x06JFIF",
        b"\xff\xee\0\x07Adobe",
        b"\xff\xe2\0\x0eICC_PROFILE\0",
        b"\xff\xc0\0\x0b\x0c" + bytes(8),  # 12 bits
        b"\xff\xc4\0\x01",
        b"\xff\xc0\0\x0b\x08\0\0\0\x05\x01" + bytes(3),  # no height
    ],
)
def test_what_is_odd_is_left_to_pillow(segment: bytes) -> None:
    data = PLAIN[:2] + segment + PLAIN[2:]
    assert _plain_jpeg(data) is None
    assert size_in_header(data) == pillows(data)


def test_the_sides_are_read_in_full() -> None:
    data = bytearray(PLAIN)
    start = data.find(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 20001, 30002)
    assert _plain_jpeg(bytes(data)) == (20001, 30002)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, HEADER), st.integers(0, 255)), max_size=4), st.integers(0, HEADER))
def test_damaged_headers_give_what_pillow_gives(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(PLAIN)
    for place, value in changes:
        data[place] = value
    for part in (bytes(data), bytes(data[:end])):
        assert size_in_header(part) == (pillows(part) if part[:3] == b"\xff\xd8\xff" else size_in_header(part))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_it(tail: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0\0\x0b\x08\0\x05\0\x07\x01"):
        found = size_in_header(start + tail)
        assert found is None or min(found) > 0
        if start:
            assert found == pillows(start + tail)
