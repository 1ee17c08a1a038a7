"""Pictures of any size on canvases of sizes that a network takes: one resampling, nothing cut off or stretched."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, UInt8

from poserior.pictures.warp import warp


class Plan(NamedTuple):
    """How a picture is shown.

    Attributes:
        canvas: ``(H, W)`` of the canvas.
        zoom: canvas pixels per picture pixel.
    """

    canvas: tuple[int, int]
    zoom: float


def plan(size: tuple[int, int], target: tuple[int, int] | None, scale: float | int, divisor: int) -> Plan:
    """How to show a picture: fitted into a canvas of fixed size, or at its own size.

    It depends on the picture alone, not on those it shares a batch with.

    Args:
        size: the picture's ``(H, W)``.
        target: the canvas at scale 1; None to keep the picture's size and let the canvas follow it.
        scale: of the whole.
        divisor: the canvas's sides are multiples of this.

    >>> plan((100, 400), (128, 256), 1, 32)
    Plan(canvas=(128, 256), zoom=0.64)
    >>> plan((100, 400), None, 0.5, 32)
    Plan(canvas=(64, 224), zoom=0.5)
    """
    height, width = size
    if target is None:
        rows, columns = (-int(-side * scale // divisor) * divisor for side in size)
        return Plan((max(rows, divisor), max(columns, divisor)), float(scale))
    rows, columns = (max(round(side * scale / divisor), 1) * divisor for side in target)
    return Plan((rows, columns), min(rows / height, columns / width))


def shown(image: UInt8[np.ndarray, "H W 3"], how: Plan) -> tuple[UInt8[np.ndarray, "h w 3"], Float64[np.ndarray, "2"]]:
    """A picture in the middle of its canvas, black around it, and the ``shift`` of ``canvas = zoom picture + shift``.

    In the middle, and not in a corner, so that the mirrored picture's canvas is the mirrored canvas.
    """
    (rows, columns), zoom = how
    shift = (np.array([columns, rows]) - zoom * np.array(image.shape[1::-1])) / 2
    affine = np.array([[zoom, 0.0, shift[0]], [0.0, zoom, shift[1]]])
    return warp(np.ascontiguousarray(image), affine, how.canvas), shift
