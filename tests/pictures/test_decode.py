import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from poserior.errors import InputError
from poserior.pictures import decode

RGB = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_pictures_come_back_as_rgb(kind) -> None:
    assert np.array_equal(decode(saved(Image.fromarray(RGB), kind), "x"), RGB)


def test_grey_alpha_palette_and_16_bits() -> None:
    grey = RGB[..., 0]
    assert np.array_equal(decode(saved(Image.fromarray(grey), "PNG"), "x"), np.repeat(grey[..., None], 3, -1))
    alpha = np.dstack([RGB, grey])
    assert np.array_equal(decode(saved(Image.fromarray(alpha), "PNG"), "x"), RGB)
    palette = Image.fromarray(RGB // 128 * 128).quantize(8)
    assert np.array_equal(decode(saved(palette, "PNG"), "x"), np.asarray(palette.convert("RGB")))
    deep = np.random.default_rng(1).integers(0, 65536, (11, 13, 3), np.uint16)
    got = decode(cv2.imencode(".png", deep[..., ::-1])[1].tobytes(), "x")
    assert np.abs(got - deep / 257).max() < 1.01


def test_cmyk_looks_as_pillow_shows_it() -> None:
    smooth = Image.fromarray(cv2.resize(RGB[:3, :4], (64, 48)))
    data = saved(smooth.convert("CMYK"), "JPEG", quality=98)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), int)
    assert np.abs(decode(data, "x") - expected).mean() < 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_picture_is_taken(kind) -> None:
    flat = Image.fromarray(np.full((11, 13, 3), (250, 120, 7), np.uint8))
    options = {"lossless": True} if kind == "WEBP" else {}
    later = [Image.new("RGB", (13, 11), "blue")]
    data = saved(flat, kind, save_all=True, append_images=later, **options)
    assert np.array_equal(decode(data, "x"), np.asarray(flat))


def test_grey_with_alpha_one_bit_and_16_bit_grey() -> None:
    grey = Image.fromarray(RGB[..., 0])
    assert np.array_equal(decode(saved(grey.convert("LA"), "PNG"), "x")[..., 1], RGB[..., 0])
    bits = grey.convert("1")
    assert np.array_equal(decode(saved(bits, "PNG"), "x")[..., 2], np.asarray(bits) * 255)
    deep = np.random.default_rng(2).integers(0, 65536, (11, 13), np.uint16)
    for kind in ("PNG", "TIFF"):
        got = decode(saved(Image.fromarray(deep), kind), "x")
        assert np.abs(got[..., 0] - deep / 257).max() < 1.01


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "PNG"])
def test_a_header_that_promises_too_many_pixels_is_refused_before_decoding(kind, monkeypatch) -> None:
    data = bytearray(saved(Image.fromarray(RGB), kind))
    if kind == "JPEG":
        start = data.find(b"\xff\xc0")
        data[start + 5 : start + 9] = struct.pack(">HH", 20000, 30000)
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", 30000, 20000)
    else:
        data[16:24] = struct.pack(">II", 30000, 20000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    monkeypatch.setattr(cv2, "imdecode", None)  # calling it would fail
    with pytest.raises(InputError, match=r"at most 268 million pixels at big\.jpg, found 30000 x 20000; make"):
        decode(bytes(data), "big.jpg")


def test_a_very_wide_picture_is_read_whole() -> None:
    wide = np.zeros((3, 30_000, 3), np.uint8)
    wide[1, -1] = (9, 200, 40)
    got = decode(saved(Image.fromarray(wide), "PNG"), "x")
    assert got.shape == (3, 30_000, 3)
    assert got[1, -1].tolist() == [9, 200, 40]


def test_exif_rotation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(saved(Image.fromarray(RGB), "JPEG", exif=exif), "x").shape == (11, 13, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.9])
def test_a_part_of_a_picture_is_an_error_that_names_it(kind, part) -> None:
    data = saved(Image.fromarray(np.tile(RGB, (9, 9, 1))), kind)
    with pytest.raises(InputError, match=r"at some/where\.jpg, found \d+ bytes"):
        decode(data[: int(part * len(data))], "some/where.jpg")


def test_a_jpeg_with_a_thumbnail_and_a_tail_is_read() -> None:
    data = saved(Image.fromarray(RGB), "JPEG")
    assert decode(data + b"trailing bytes of a camera" * 9, "x").shape == (11, 13, 3)
    # A whole small JPEG inside the header, the end mark of the large one missing.
    inner = saved(Image.fromarray(RGB[:5, :5]), "JPEG")
    segment = b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner
    assert decode(data[:2] + segment + data[2:], "x").shape == (11, 13, 3)
    with pytest.raises(InputError):
        decode(data[:2] + segment + data[2:-2], "x")


def test_text_is_no_picture() -> None:
    with pytest.raises(InputError, match="found 5 bytes"):
        decode(b"hello", "x")
