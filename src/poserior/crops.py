"""Which part of a picture a crop shows: the affine map from picture to crop, in plain arrays.

`poserior.geometry` gives the same to tensors; its conventions are these.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from poserior.errors import InputError


def crop_affine(
    box_xyxy: Sequence[float | int] | np.ndarray,
    image_size: tuple[int, int],
    box_padding: float | int = 1.25,
    zoom: float | int = 1.0,
    rotation: float | int = 0.0,
    flip: bool = False,
) -> Float64[np.ndarray, "2 3"]:
    """The map from image pixels to the pixels of a crop around a box; see `poserior.geometry.crop_affine`.

    >>> abs(crop_affine([0, 0, 8, 4], (16, 16), box_padding=1)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 4.0]]
    """
    x0, y0, x1, y1 = map(float, box_xyxy)
    width, height = x1 - x0, y1 - y0
    if not (width > 0 and height > 0 and math.isfinite(width * height)):
        raise InputError(f"expected a box of positive width and height, found {[x0, y0, x1, y1]}; drop or correct it")
    crop_height, crop_width = image_size
    pixels = min(crop_width / width, crop_height / height) / box_padding * zoom
    cos, sin = math.cos(math.radians(rotation)) * pixels, math.sin(math.radians(rotation)) * pixels
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    rows = [[-cos, sin] if flip else [cos, -sin], [sin, cos]]
    for row, middle in zip(rows, (crop_width / 2, crop_height / 2), strict=True):
        row.append(middle - (row[0] * x + row[1] * y))
    return np.array(rows)  # one array: small operations cost more than their arithmetic


def upright_to_image(
    crop: Float64[np.ndarray, "2 3"], image_size: tuple[int, int]
) -> tuple[Float64[np.ndarray, "2"], Float64[np.ndarray, "2"]]:
    """``(scale, shift)`` with ``image_point = scale * crop_normalised_point + shift``, for a crop without rotation.

    >>> scale, shift = upright_to_image(np.array([[2.0, 0.0, -20.0], [0.0, 2.0, 10.0]]), (64, 48))
    >>> scale.tolist(), shift.tolist()
    ([24.0, 32.0], [22.0, 11.0])
    """
    pixels = np.diagonal(crop[:, :2])
    scale = np.array([image_size[1], image_size[0]]) / pixels
    return scale, scale / 2 - crop[:, 2] / pixels
