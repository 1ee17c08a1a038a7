"""Random occlusion: a rectangle in front of the person."""

import math

import numpy as np
from numpy.typing import NDArray

SMALLEST = 0.02  # of the crop's area
RATIO = 3.3  # of the longer to the shorter side, at most


def occlude(
    image: NDArray[np.uint8], largest: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[int, int, int, int]]:
    """Paint a rectangle of plain colour or of noise, an even chance each.

    Args:
        image: the crop ``(H, W, 3)``; it is not changed.
        largest: the rectangle's area, at most, as a fraction of the crop's.
        rng: decides.

    Returns:
        The painted crop, and the rectangle (x0, y0, x1, y1) in whole pixels.
    """
    height, width = image.shape[:2]
    area = rng.uniform(min(SMALLEST, largest), largest) * height * width
    ratio = math.exp(rng.uniform(-1, 1) * math.log(RATIO))
    h = min(height, max(1, int(math.sqrt(area / ratio))))
    w = min(width, max(1, int(math.sqrt(area * ratio))))
    x, y = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    shape = (h, w, 3) if rng.random() < 0.5 else (1, 1, 3)
    image = image.copy()
    image[y : y + h, x : x + w] = rng.integers(0, 256, shape, np.uint8)
    return image, (x, y, x + w, y + h)
