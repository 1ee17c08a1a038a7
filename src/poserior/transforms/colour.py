"""Colour changes as one 3 x 3 matrix and an offset: a single pass over the crop."""

import cv2
import numpy as np
from numpy.typing import NDArray

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: how bright red, green and blue look

_SAME, _GREY = np.eye(3), np.tile(LUMA, (3, 1))
_AXIS, _CROSS = np.full((3, 3), 1 / 3), np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)


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
    turn = np.cos(hue) * _SAME + (1 - np.cos(hue)) * _AXIS + np.sin(hue) * _CROSS  # Rodrigues' formula
    saturate = saturation * _SAME + (1 - saturation) * _GREY
    matrix = np.empty((3, 4))
    matrix[:, :3], matrix[:, 3] = contrast * saturate @ turn, 127.5 * (1 - contrast)
    return brightness * matrix


def jitter(image: NDArray[np.uint8], strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast and saturation times 1 - strength to 1 + strength, hue by at most `strength` radians."""
    brightness, contrast, saturation, hue = rng.uniform(-strength, strength, 4)
    matrix = colour_matrix(1 + brightness, 1 + contrast, 1 + saturation, hue)
    return np.asarray(cv2.transform(image, matrix), np.uint8)  # rounds and saturates
