r"""Exact ray casting of ellipsoids and elliptic cones into a depth buffer and a part buffer.

A part's surface is a quadric in its own coordinates ``l = G (P - c)``, ``P`` in the camera's frame:

    ``l_x^2 + l_y^2 + alpha l_z^2 + 2 gamma l_z + delta = 0``

with (alpha, gamma, delta) = (1, 0, -1) for an ellipsoid (the unit ball) and ``(-k^2, -k, -1)`` for a cone of radius
``1 + k l_z``, ``0 <= l_z <= 1``. Along the ray ``P = t (x, y, 1)`` this is a quadratic in the depth ``t`` whose
coefficients are polynomials of the pixel's (x, y): they are prepared for all parts at once, then each part is drawn
over its own rectangle only.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16

from poserior.datasets.figures.camera import Camera
from poserior.datasets.figures.chance import Number


@dataclass(eq=False)
class Parts:
    """A growing list of parts; every list has one entry per part.

    Attributes:
        person: whose part it is.
        label: what it is, for deciding which keypoints it may show.
        material: how it is coloured.
        colour: RGB 0..1 below `cut`.
        colour_2: RGB beyond it.
        cut: where along the part's own third axis the second colour begins.
        gloss: strength of the highlight.
        centre: the origin of its coordinates in the world.
        axes: columns: its unit vectors in the world, in metres.
        taper: None for an ellipsoid; for a cone its end radius over its start radius.
    """

    person: list[int] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    material: list[int] = field(default_factory=list)
    colour: list[Float[np.ndarray, "3"]] = field(default_factory=list)
    colour_2: list[Float[np.ndarray, "3"]] = field(default_factory=list)
    cut: list[Number] = field(default_factory=list)
    gloss: list[Number] = field(default_factory=list)
    centre: list[Float[np.ndarray, "3"]] = field(default_factory=list)
    axes: list[Float[np.ndarray, "3 3"]] = field(default_factory=list)
    taper: list[Number | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.label)

    @cached_property
    def centres(self) -> Float[np.ndarray, "P 3"]:
        """All centres; once it is asked for, the list is complete."""
        return np.array(self.centre)

    @cached_property
    def frames(self) -> Float[np.ndarray, "P 3 3"]:
        """All axes."""
        return np.array(self.axes)

    @cached_property
    def is_cone(self) -> Bool[np.ndarray, "P"]:
        """Cones, not ellipsoids."""
        return np.array([taper is not None for taper in self.taper])


@dataclass(frozen=True, eq=False)
class Quadrics:
    """P parts prepared for a camera: ``l = origin + t * gradient @ (x, y, 1)``."""

    gradient: Float[np.ndarray, "P 3 3"]
    origin: Float[np.ndarray, "P 3"]
    alpha: Float[np.ndarray, "P"]
    gamma: Float[np.ndarray, "P"]
    delta: Float[np.ndarray, "P"]
    is_cone: Bool[np.ndarray, "P"]
    bounds: Float[np.ndarray, "P 4"]
    in_front: Bool[np.ndarray, "P"]


@dataclass(frozen=True, eq=False)
class Buffers:
    """What the rays met: depth in metres (infinite where nothing) and the part's number (-1 where nothing).

    `x` and `y` are the pixels' normalised camera coordinates.
    """

    depth: Float32[np.ndarray, "H W"]
    part: Int16[np.ndarray, "H W"]
    x: Float32[np.ndarray, "W"]
    y: Float32[np.ndarray, "H"]


def prepare(parts: Parts, camera: Camera) -> Quadrics:
    """Every part's quadric, and the rectangle ``x0, y0, x1, y1`` (normalised coordinates) it can be seen in."""
    axes, centre, is_cone = camera.rotation @ parts.frames, camera.to_camera(parts.centres), parts.is_cone
    slope = np.array([0.0 if taper is None else taper - 1.0 for taper in parts.taper])
    gradient = np.linalg.inv(axes)
    origin = -(gradient @ centre[:, :, None])[..., 0]
    alpha = np.where(is_cone, -(slope**2), 1.0)
    bounds = _bounds(axes, centre, is_cone, 1.0 + slope)
    nearest = np.minimum(centre[:, 2], centre[:, 2] + np.where(is_cone, axes[:, 2, 2], 0.0))
    reach = np.linalg.norm(axes[:, 2, :2], axis=1) * np.maximum(1.0, 1.0 + slope) + ~is_cone * np.abs(axes[:, 2, 2])
    in_front = nearest - reach > 0.05
    return Quadrics(gradient, origin, alpha, -slope, np.full(len(parts), -1.0), is_cone, bounds, in_front)


def _bounds(
    axes: Float[np.ndarray, "P 3 3"],
    centre: Float[np.ndarray, "P 3"],
    is_cone: Bool[np.ndarray, "P"],
    end: Float[np.ndarray, "P"],
) -> Float[np.ndarray, "P 4"]:
    """Rectangles about the outlines: an ellipsoid's exactly, a cone's as that of its two end discs."""
    flat = axes[..., :2] @ axes[..., :2].mT
    whole = flat + axes[..., 2:] @ axes[..., 2:].mT
    first = _outline(np.where(is_cone[:, None, None], flat, whole), centre)
    second = _outline(flat * (end**2)[:, None, None], centre + axes[..., 2])
    second = np.where(is_cone[:, None], second, first)
    return np.concatenate([np.minimum(first, second)[:, :2], np.maximum(first, second)[:, 2:]], 1)


def _outline(spread: Float[np.ndarray, "P 3 3"], centre: Float[np.ndarray, "P 3"]) -> Float[np.ndarray, "P 4"]:
    """The rectangle of the outline of ``{centre + u : u^T spread^-1 u <= 1}``, from its dual conic."""
    z = centre[:, 2]
    depth = np.maximum(z**2 - spread[:, 2, 2], 1e-4)
    middle, reach = [], []
    for axis in (0, 1):
        cross = z * centre[:, axis] - spread[:, axis, 2]
        square = centre[:, axis] ** 2 - spread[:, axis, axis]
        middle.append(cross / depth)
        reach.append(np.sqrt(np.maximum(cross**2 - square * depth, 0.0)) / depth)
    low = [m - r for m, r in zip(middle, reach, strict=True)]
    high = [m + r for m, r in zip(middle, reach, strict=True)]
    return np.stack([*low, *high], 1)


def cast(quadrics: Quadrics, camera: Camera, picture_size: tuple[int, int], supersample: int) -> Buffers:
    """Draw all parts, `supersample` rays per pixel and axis, at the centres of the finer pixels."""
    height, width = picture_size[0] * supersample, picture_size[1] * supersample
    focal, centre = camera.focal * supersample, camera.centre * supersample
    x = ((np.arange(width) + 0.5 - centre[0]) / focal).astype(np.float32)
    y = ((np.arange(height) + 0.5 - centre[1]) / focal).astype(np.float32)
    buffers = Buffers(np.full((height, width), np.inf, np.float32), np.full((height, width), -1, np.int16), x, y)
    pixels = np.floor(quadrics.bounds * focal + np.tile(centre, 2))
    pixels[:, 2:] += 1
    pixels = np.clip(pixels, 0, [width, height, width, height]).astype(np.int64)
    middle = (quadrics.bounds[:, :2] + quadrics.bounds[:, 2:]) / 2
    drawn = (pixels[:, 2] > pixels[:, 0]) & (pixels[:, 3] > pixels[:, 1]) & quadrics.in_front
    polynomials = _polynomials(quadrics, middle).tolist()
    corners, middles, cones = pixels.tolist(), middle.astype(np.float32), quadrics.is_cone.tolist()
    with np.errstate(invalid="ignore", divide="ignore"):
        for part in np.flatnonzero(drawn).tolist():
            x0, y0, x1, y1 = corners[part]
            dx = x[x0:x1] - middles[part, 0]
            dy = y[y0:y1, None] - middles[part, 1]
            _draw(part, cones[part], polynomials[part], dx, dy, buffers.depth[y0:y1, x0:x1], buffers.part[y0:y1, x0:x1])
    return buffers


def _polynomials(quadrics: Quadrics, middle: Float[np.ndarray, "P 2"]) -> Float[np.ndarray, "P 14"]:
    """What each part's pixels are computed from, as polynomials of (x, y) about `middle`.

    In order: the discriminant (6), minus half the linear coefficient ``b`` (3), the constant ``c`` (1), the ray's slope
    along the third axis (3) and the camera's place on it (1). About the middle of the part the constants are small,
    so that single precision is enough for the pixels.
    """
    about = np.concatenate([middle, np.ones_like(middle[:, :1])], 1)
    gradient = quadrics.gradient.copy()
    gradient[:, :, 2] = (quadrics.gradient @ about[:, :, None])[..., 0]
    weights = np.ones_like(quadrics.origin)
    weights[:, 2] = quadrics.alpha
    weighted = weights * quadrics.origin
    weighted[:, 2] += quadrics.gamma
    square = gradient.mT @ (weights[:, :, None] * gradient)
    half = (gradient.mT @ weighted[:, :, None])[..., 0]
    constant = (weights * quadrics.origin**2).sum(1) + 2 * quadrics.gamma * quadrics.origin[:, 2] + quadrics.delta
    m = half[:, :, None] * half[:, None, :] - constant[:, None, None] * square
    disc = np.stack([m[:, 0, 0], 2 * m[:, 0, 2], m[:, 2, 2], m[:, 1, 1], 2 * m[:, 1, 2], 2 * m[:, 0, 1]], 1)
    return np.concatenate([disc, -half, constant[:, None], gradient[:, 2], quadrics.origin[:, 2:]], 1)


def _draw(
    part: int,
    is_cone: bool,
    polynomials: list[float],
    dx: Float32[np.ndarray, "w"],
    dy: Float32[np.ndarray, "h 1"],
    depth: Float32[np.ndarray, "h w"],
    number: Int16[np.ndarray, "h w"],
) -> None:
    """Draw one part where it is nearer than what is there: at the root ``c / (sqrt(disc) - b)`` of the quadratic.

    Beside the part there is no root: the square root is not a number there, and no comparison with it holds.
    """
    d0, d1, d2, d3, d4, d5, b0, b1, b2, c, g0, g1, g2, start = polynomials
    found = (dy * d5) * dx
    found += (d0 * dx + d1) * dx + d2
    found += (d3 * dy + d4) * dy
    np.sqrt(found, out=found)
    found += b0 * dx + b2
    found += b1 * dy
    np.divide(c, found, out=found)
    hit = found < depth
    if is_cone:
        along = g1 * dy + (g0 * dx + g2)
        along *= found
        along += start
        hit &= along >= 0
        hit &= along <= 1
    np.copyto(depth, found, where=hit)
    np.copyto(number, part, where=hit)
