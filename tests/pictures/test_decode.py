import io

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
