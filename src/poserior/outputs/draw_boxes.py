"""Detected boxes drawn into their picture, coloured by the density's component they were answered with."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from poserior.outputs.box import Box
from poserior.outputs.overlay import DARK, blend_ellipse, blend_frame, central_ellipse, component_color, enlarged


def draw_boxes(
    image: UInt8[np.ndarray, "H W 3"],
    boxes: Sequence[Box],
    level: float = 0.9,
    min_side: int = 720,
    max_zoom: float = 6.0,
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """A picture with boxes drawn over it, the best on top; the surer, the more opaque.

    At two opposite corners lies the ellipse that holds `level` of the corner's law, as if it were Gaussian: the centre
    counts as known, so a corner has half of the size's deviation.

    Args:
        image: RGB.
        boxes: in pixels of `image`.
        level: the mass of an ellipse.
        min_side: the longer side that a small picture is enlarged to.
        max_zoom: the largest enlargement.

    Returns:
        RGB, a new array.
    """
    canvas, zoom = enlarged(image, min_side, max_zoom)
    unit = min(max(max(canvas.shape[:2]) / 600, 1.0), 4.0)
    for box in sorted(boxes, key=lambda box: box.score):
        if not np.isfinite([*np.asarray(box.box_xyxy, np.float64), float(box.score)]).all():
            continue
        color = component_color(box.component)
        corners = np.asarray(box.box_xyxy, np.float64).reshape(2, 2) * zoom
        opacity = 0.25 + 0.75 * math.sqrt(min(max(float(box.score), 0.0), 1.0))
        blend_frame(canvas, corners, color, opacity, unit)
        covariance = np.asarray(box.size_covariance, np.float64)[None] / 4
        if np.isfinite(covariance).all():
            radius = np.array([math.sqrt(-2 * math.log(1 - level))])
            _, axes, angles = central_ellipse(corners[:1], covariance, radius)
            for corner in corners:
                blend_ellipse(
                    canvas, corner.tolist(), (axes[0] * zoom).tolist(), float(angles[0]), color, opacity, unit
                )
        name = box.categories[box.category] if len(box.categories) > 1 else ""
        _label(canvas, f"{name} {float(box.score):.2f}".strip(), corners[0], color, unit)
    return canvas


def _label(
    canvas: UInt8[np.ndarray, "H W 3"],
    text: str,
    corner: Float[np.ndarray, "2"],
    color: tuple[int, int, int],
    unit: float,
) -> None:
    if not np.isfinite(corner).all():
        return
    size, font = 0.35 + 0.1 * unit, cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    x = int(np.clip(corner[0] + 3 * unit, 0, max(canvas.shape[1] - width, 0)))
    y = int(np.clip(corner[1] + height + 4 * unit, height, canvas.shape[0] - 1)) if canvas.shape[0] > height else height
    cv2.putText(canvas, text, (x, y), font, size, DARK, 3, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), font, size, color, 1, cv2.LINE_AA)
