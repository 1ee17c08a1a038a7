"""Predicted people drawn into their picture: limbs, keypoints and the ellipses that hold 90 % of the density.

Where regions with guaranteed coverage were fitted, the ellipses are those.

The person's left is orange, the right blue, the middle pale; the surer a keypoint is, the more opaque it is drawn.
A one-stage network's ellipses have the colour of the component that was answered with, and its box is drawn too.
"""

import colorsys
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from poserior.outputs.person import Person
from poserior.skeletons import Skeleton

Ellipses = tuple[Float[np.ndarray, "K 2"], Float[np.ndarray, "K 2 2"], Float[np.ndarray, "K"]]
"""Centre, covariance and Mahalanobis radius of each keypoint's ellipse."""

LEFT, RIGHT, MIDDLE, DARK = (255, 140, 30), (60, 170, 255), (250, 235, 190), (15, 15, 20)
_SHIFT = 4  # OpenCV draws in 1/16 pixels
_GOLDEN = 0.618034  # of a turn: neighbours in number are far apart in hue
_FAINTEST = 0.12  # nothing that was predicted vanishes altogether


def draw_people(
    image: UInt8[np.ndarray, "H W 3"],
    people: Sequence[Person],
    level: float = 0.9,
    min_side: int = 720,
    max_zoom: float = 6.0,
    ellipses: Callable[[Person, float], Ellipses] | None = None,
) -> UInt8[np.ndarray, "H2 W2 3"]:
    """A picture with people drawn over it.

    Small pictures are enlarged until their longer side has `min_side` pixels (at most by `max_zoom`), so that lines
    and ellipses stay legible; line widths follow each person's size. Opacity grows with visibility times confidence.

    Args:
        image: RGB.
        people: predictions in pixels of `image`.
        level: the mass each ellipse holds. A prediction with `regions` is drawn with those instead, the largest if it
            has several; an infinite one is not drawn.
        min_side: the longer side a small picture is enlarged to.
        max_zoom: the largest enlargement.
        ellipses: the ellipses of a person and a level; those of a Gaussian of the predicted covariance by default.

    Returns:
        RGB, a new array.
    """
    canvas, zoom = enlarged(image, min_side, max_zoom)
    for person in sorted(people, key=lambda person: person.score):
        _draw_person(canvas, person, (ellipses or gaussian_ellipses)(person, level), zoom)
    return canvas


def enlarged(
    image: UInt8[np.ndarray, "H W 3"], min_side: int, max_zoom: float
) -> tuple[UInt8[np.ndarray, "H2 W2 3"], float]:
    """A copy to draw on, small pictures enlarged, and how many times."""
    height, width = image.shape[:2]
    zoom = min(max(min_side / max(height, width), 1.0), max_zoom)
    if zoom == 1:
        return image.copy(), zoom
    size = (round(width * zoom), round(height * zoom))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8), zoom


def blend_ellipse(
    canvas: UInt8[np.ndarray, "H W 3"],
    center: Sequence[float],
    axes: Sequence[float],
    angle: float,
    color: tuple[int, int, int],
    opacity: float,
    unit: float,
) -> None:
    """One ellipse, see-through: half-axes ``(major, minor)``, the major one's angle in radians."""
    shape = _Ellipse(center, axes[0], axes[1], angle)
    _blend(canvas, shape.bounds(3 * unit), 0.12 * opacity, [(shape, color, -1)])
    _blend(canvas, shape.bounds(3 * unit), opacity, [(shape, DARK, 1.5 * unit), (shape, color, 0.7 * unit)])


def blend_frame(
    canvas: UInt8[np.ndarray, "H W 3"],
    corners: Float[np.ndarray, "2 2"],
    color: tuple[int, int, int],
    opacity: float,
    unit: float,
) -> None:
    """A box's frame, see-through; none where a corner is not finite."""
    if not np.isfinite(corners).all() or not math.isfinite(opacity):
        return
    (x0, y0), (x1, y1) = corners.tolist()
    for start, end in zip(turns := [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], [*turns[1:], turns[0]], strict=True):
        line = _Line(start, end)
        _blend(canvas, line.bounds(3 * unit), opacity, [(line, DARK, 2.4 * unit), (line, color, 1.2 * unit)])


def component_color(component: int) -> tuple[int, int, int]:
    """A colour of its own for every component of a density, the same in all pictures.

    >>> component_color(0), component_color(1)
    ((255, 191, 51), (131, 51, 255))
    """
    red, green, blue = colorsys.hsv_to_rgb((0.1144 + component * _GOLDEN) % 1, 0.8, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_person(canvas: UInt8[np.ndarray, "H W 3"], person: Person, ellipses: Ellipses, zoom: float) -> None:
    points = np.asarray(person.keypoints, np.float64)[:, :2] * zoom
    sureness = np.clip(np.asarray(person.visibility, np.float64) * np.asarray(person.confidence, np.float64), 0, 1)
    opacity = (_FAINTEST + (1 - _FAINTEST) * np.sqrt(sureness)).tolist()
    unit = _line_unit(person, zoom)
    sides = keypoint_sides(person.skeleton)
    centers, axes, angles = central_ellipse(*ellipses)
    component: int | None = getattr(person, "component", None)
    own = None if component is None else component_color(component)
    if own is not None:
        corners = np.asarray(person.box_xyxy, np.float64).reshape(2, 2) * zoom
        blend_frame(canvas, corners, own, 0.25 + 0.75 * math.sqrt(min(max(float(person.score), 0.0), 1.0)), unit)

    for k, side in enumerate(sides):
        place, size = (centers[k] * zoom).tolist(), (axes[k] * zoom).tolist()
        blend_ellipse(canvas, place, size, float(angles[k]), side if own is None else own, opacity[k], unit)
    for a, b in person.skeleton.edges:
        line = _Line(points[a].tolist(), points[b].tolist())
        _blend(
            canvas,
            line.bounds(3 * unit),
            min(opacity[a], opacity[b]),
            [(line, DARK, 2.6 * unit), (line, limb_color(sides[a], sides[b]), 1.5 * unit)],
        )
    for k, side in enumerate(sides):
        disc = _Ellipse(points[k].tolist(), 1.5 * unit, 1.5 * unit, 0.0)
        rim = _Ellipse(points[k].tolist(), 2.1 * unit, 2.1 * unit, 0.0)
        _blend(canvas, rim.bounds(2 * unit), opacity[k], [(rim, DARK, -1), (disc, side, -1)])


def keypoint_sides(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """The colour of each keypoint: the person's left, right or middle.

    >>> from poserior import skeletons
    >>> [color == LEFT for color in keypoint_sides(skeletons.load("coco17"))[:3]]
    [False, True, False]
    """
    lefts, rights = {left for left, _ in skeleton.flip_pairs}, {right for _, right in skeleton.flip_pairs}
    return [LEFT if name in lefts else RIGHT if name in rights else MIDDLE for name in skeleton.keypoints]


def limb_color(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    """A limb's colour: its side's, and the middle's if it joins left and right."""
    if a == b or b == MIDDLE:
        return a
    return b if a == MIDDLE else MIDDLE


def gaussian_ellipses(person: Person, level: float) -> Ellipses:
    """The person's largest regions; without any, those of Gaussians with the predicted covariances."""
    points = np.asarray(person.keypoints, np.float64)
    covariance = np.asarray(person.covariance, np.float64)[:, :2, :2]
    if person.regions and points.shape[1] == 2:
        return points, covariance, np.asarray(person.regions[max(person.regions)].radius, np.float64)
    return points[:, :2], covariance, np.full(len(points), math.sqrt(-2 * math.log(1 - level)))


def central_ellipse(
    center: Float[np.ndarray, "K 2"], covariance: Float[np.ndarray, "K 2 2"], radius: Float[np.ndarray, "K"]
) -> tuple[Float[np.ndarray, "K 2"], Float[np.ndarray, "K 2"], Float[np.ndarray, "K"]]:
    """Centre, half-axes ``(major, minor)`` and the major axis's angle (radians, clockwise on the screen).

    >>> _, axes, angle = central_ellipse(np.zeros((1, 2)), np.diag([4.0, 9.0])[None], np.array([2.0]))
    >>> axes.tolist(), abs(round(angle.item(), 4))
    ([[6.0, 4.0]], 1.5708)
    """
    values, vectors = np.linalg.eigh(covariance)
    axes = np.sqrt(np.maximum(values, 0))[..., ::-1] * radius[..., None]
    return center, axes, np.arctan2(vectors[..., 1, 1], vectors[..., 0, 1])


def _line_unit(person: Person, zoom: float) -> float:
    """The width everything else is a multiple of: a 150th of the person's size on the canvas, within bounds."""
    x0, y0, x1, y1 = map(float, person.box_xyxy)
    size = math.sqrt(max((x1 - x0) * (y1 - y0), 1.0)) * zoom
    return min(max(size / 150, 0.8), 8.0)


class _Line:
    def __init__(self, start: Sequence[float], end: Sequence[float]) -> None:
        self.start, self.end = start, end

    def bounds(self, margin: float) -> tuple[float, float, float, float]:
        xs, ys = (self.start[0], self.end[0]), (self.start[1], self.end[1])
        return min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin

    def draw(self, patch: np.ndarray, origin: tuple[int, int], color: tuple[int, int, int], thickness: int) -> None:
        cv2.line(patch, _fixed(self.start, origin), _fixed(self.end, origin), color, thickness, cv2.LINE_AA, _SHIFT)


class _Ellipse:
    def __init__(self, center: Sequence[float], major: float, minor: float, angle: float) -> None:
        self.center, self.major, self.minor, self.angle = center, major, minor, angle

    def bounds(self, margin: float) -> tuple[float, float, float, float]:
        (x, y), reach = self.center, self.major + margin
        return x - reach, y - reach, x + reach, y + reach

    def draw(self, patch: np.ndarray, origin: tuple[int, int], color: tuple[int, int, int], thickness: int) -> None:
        turns = np.linspace(0, 2 * np.pi, 73)[:-1]
        along, across = self.major * np.cos(turns), self.minor * np.sin(turns)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        x, y = self.center[0] + along * cos - across * sin, self.center[1] + along * sin + across * cos
        outline = np.stack([x - origin[0] - 0.5, y - origin[1] - 0.5], -1)
        polygon = np.round(np.clip(outline, -20000, 20000) * 2**_SHIFT).astype(np.int32)
        if thickness < 0:
            cv2.fillPoly(patch, [polygon], color, cv2.LINE_AA, _SHIFT)
        else:
            cv2.polylines(patch, [polygon], True, color, thickness, cv2.LINE_AA, _SHIFT)


def _fixed(point: Sequence[float], origin: tuple[int, int]) -> tuple[int, int]:
    """Continuous coordinates to OpenCV's pixel indices in fixed point, bounded: OpenCV overflows on far points."""
    x, y = (min(max(value - start - 0.5, -20000.0), 20000.0) for value, start in zip(point, origin, strict=True))
    return round(x * 2**_SHIFT), round(y * 2**_SHIFT)


def _blend(
    canvas: UInt8[np.ndarray, "H W 3"],
    bounds: tuple[float, float, float, float],
    opacity: float,
    shapes: Sequence[tuple[_Line | _Ellipse, tuple[int, int, int], float | int]],
) -> None:
    """Draw shapes (with colour and thickness, negative to fill) on the part of the canvas they touch, see-through."""
    if not all(map(math.isfinite, bounds)):
        return
    height, width = canvas.shape[:2]
    x0, y0 = max(math.floor(bounds[0]), 0), max(math.floor(bounds[1]), 0)
    x1, y1 = min(math.ceil(bounds[2]), width), min(math.ceil(bounds[3]), height)
    if x0 >= x1 or y0 >= y1:
        return
    part = canvas[y0:y1, x0:x1]
    patch = part.copy()
    for shape, color, thickness in shapes:
        shape.draw(patch, (x0, y0), color, -1 if thickness < 0 else max(round(thickness), 1))
    part[...] = cv2.addWeighted(patch, opacity, part, 1 - opacity, 0)
