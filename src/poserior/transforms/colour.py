"""Colour changes as one 3 x 3 matrix and an offset: a single pass over the crop."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: how bright red, green and blue look


def colour_matrix(brightness: float, contrast: float, saturation: float, hue: float) -> NDArray[np.float64]:
    """The affine map ``(3, 4)`` of RGB in 0..255 that applies, in this order, hue, saturation, contrast, brightness.

    Args:
        brightness: factor of every value.
        contrast: factor of the distance from mid-grey.
        saturation: factor of the distance from the grey of the same luma; 0 gives grey.
        hue: angle in radians about the grey axis.

    >>> colour_matrix(1.0, 1.0, 1.0, 0.0).round(12).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    # Rodrigues' formula: each row of the turn is the one above, moved on by a place. In plain numbers: an array
    # operation on 3 x 3 costs more than all of this.
    cos, sin = math.cos(hue), math.sin(hue) / math.sqrt(3)
    third = (1 - cos) / 3
    same, before, after = cos + third, third - sin, third + sin
    turn = ((same, before, after), (after, same, before), (before, after, same))
    red, green, blue = LUMA.tolist()
    grey = [(1 - saturation) * (red * r + green * g + blue * b) for r, g, b in zip(*turn, strict=True)]
    factor, offset = brightness * contrast, brightness * 127.5 * (1 - contrast)
    rows = [
        [factor * (saturation * value + luma) for value, luma in zip(row, grey, strict=True)] + [offset] for row in turn
    ]
    return np.array(rows)


def jitter(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast and saturation times 1 - strength to 1 + strength, hue by at most `strength` radians."""
    brightness, contrast, saturation, hue = rng.uniform(-strength, strength, 4).tolist()
    matrix = colour_matrix(1 + brightness, 1 + contrast, 1 + saturation, hue)
    return np.asarray(cv2.transform(image, matrix), np.uint8)  # rounds and saturates
