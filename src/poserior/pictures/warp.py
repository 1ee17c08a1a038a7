"""Resampling a picture by an affine map, in the library's pixel convention."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray


def warp(image: NDArray[np.uint8], affine: NDArray[np.float64], image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """The crop that an affine map of continuous coordinates shows; black outside of the picture.

    One bilinear resampling. Where the crop is at most half as fine as the picture, blocks of whole pixels are averaged
    first (their corners are pixel corners, so no coordinate moves): plain bilinear sampling would skip pixels.

    Args:
        image: ``(H, W, 3)``.
        affine: ``(2, 3)``, image pixels to crop pixels, corner origin.
        image_size: the crop's ``(H, W)``.
    """
    (a, b, x), (c, d, y) = affine.tolist()  # plain numbers: small array operations cost more than their arithmetic
    shrink = int(1 / math.sqrt(max(abs(a * d - b * c), 1e-12)))
    source = image
    if shrink >= 2:
        source, affine = _shrunk(image, affine, image_size, shrink)
        (a, b, x), (c, d, y) = affine.tolist()
    # OpenCV counts from the first pixel's centre: shift by half a pixel before and after.
    index = np.array(((a, b, x + (a + b) / 2 - 0.5), (c, d, y + (c + d) / 2 - 0.5)))
    height, width = image_size
    crop = cv2.warpAffine(source, index, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(crop, np.uint8)


def _shrunk(
    image: NDArray[np.uint8], affine: NDArray[np.float64], image_size: tuple[int, int], shrink: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture that the crop shows, `shrink` times smaller, and the map from there."""
    height, width = image_size
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    shown = (corners - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    sides = np.array(image.shape[1::-1])
    low = np.floor(shown.min(0) - 2 * shrink).clip(0, sides - 1).astype(int)
    high = np.ceil(shown.max(0) + 2 * shrink).clip(low + 1, sides).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    bottom, right = (-part.shape[0]) % shrink, (-part.shape[1]) % shrink  # fill up to whole blocks, as outside: black
    blocks = cv2.copyMakeBorder(part, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
    small = cv2.resize(blocks, (blocks.shape[1] // shrink, blocks.shape[0] // shrink), interpolation=cv2.INTER_AREA)
    linear = affine[:, :2]
    return np.asarray(small, np.uint8), np.column_stack([linear * shrink, affine[:, 2] + linear @ low])
