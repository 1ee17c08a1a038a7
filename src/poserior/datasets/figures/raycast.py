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
from jaxtyping import Bool, Float, Float32, Int, Int16

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
    """What the rays met, over the rectangle of the picture that holds all parts.

    Attributes:
        depth: metres away from the camera, infinite where nothing is.
        part: the part's number, -1 where nothing is.
        x: the columns' normalised camera coordinate.
        y: the rows'.
        top: the first row's number among the picture's fine rows.
        left: the first column's number.
    """

    depth: Float32[np.ndarray, "h w"]
    part: Int16[np.ndarray, "h w"]
    x: Float32[np.ndarray, "w"]
    y: Float32[np.ndarray, "h"]
    top: int
    left: int

    def at(self, fine: Int[np.ndarray, "N 2"]) -> tuple[Int16[np.ndarray, "N"], Float32[np.ndarray, "N"]]:
        """Part and depth at fine pixels ``(column, row)`` of the picture."""
        column, row = fine[:, 0] - self.left, fine[:, 1] - self.top
        height, width = self.part.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        row, column = np.where(inside, row, 0), np.where(inside, column, 0)
        return (
            np.where(inside, self.part[row, column], np.int16(-1)),
            np.where(inside, self.depth[row, column], np.float32(np.inf)),
        )


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
    corners = np.floor(quadrics.bounds * focal + np.tile(centre, 2))
    corners[:, 2:] += 1
    corners = np.clip(corners, 0, [width, height, width, height]).astype(np.int64)
    drawn = np.flatnonzero((corners[:, 2:] > corners[:, :2]).all(1) & quadrics.in_front)
    corners = corners[drawn] if len(drawn) else np.zeros((1, 4), np.int64)
    # The rectangle holds whole pixels of the picture, at least one.
    left, top = (corners[:, :2].min(0) // supersample * supersample).tolist()
    right, bottom = (np.maximum(-(-corners[:, 2:].max(0) // supersample), 1) * supersample).tolist()
    x = ((np.arange(left, right) + 0.5 - centre[0]) / focal).astype(np.float32)
    y = ((np.arange(top, bottom) + 0.5 - centre[1]) / focal).astype(np.float32)
    shape = (bottom - top, right - left)
    buffers = Buffers(np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int16), x, y, top, left)
    if len(drawn):
        _draw_all(drawn, quadrics, corners - [left, top, left, top], buffers)
    return buffers


def _draw_all(
    drawn: Int[np.ndarray, "N"], quadrics: Quadrics, corners: Int[np.ndarray, "N 4"], buffers: Buffers
) -> None:
    """Draw parts into their rectangles, having worked out at once what depends on a column or on a row alone."""
    middle = ((quadrics.bounds[:, :2] + quadrics.bounds[:, 2:]) / 2)[drawn]
    polynomials = _polynomials(quadrics, middle, drawn)
    d0, d1, d2, d3, d4, d5, b0, b1, b2, _, g0, g1, g2, _ = polynomials.astype(np.float32).T
    owner, position, begins = _ranges(corners[:, 0], corners[:, 2])
    dx = buffers.x[position] - middle[owner, 0].astype(np.float32)
    across = np.stack(
        [dx, (d0[owner] * dx + d1[owner]) * dx + d2[owner], b0[owner] * dx + b2[owner], g0[owner] * dx + g2[owner]]
    )
    owner, position, starts = _ranges(corners[:, 1], corners[:, 3])
    dy = buffers.y[position] - middle[owner, 1].astype(np.float32)
    down = np.stack([d5[owner] * dy, (d3[owner] * dy + d4[owner]) * dy, b1[owner] * dy, g1[owner] * dy])[..., None]
    constants, cones = polynomials[:, (9, 13)].tolist(), quadrics.is_cone[drawn].tolist()
    with np.errstate(invalid="ignore", divide="ignore"):
        for at, (part, (x0, y0, x1, y1)) in enumerate(zip(drawn.tolist(), corners.tolist(), strict=True)):
            column, row = begins[at], starts[at]
            _draw(
                part,
                cones[at],
                constants[at],
                across[:, column : column + x1 - x0],
                down[:, row : row + y1 - y0],
                buffers.depth[y0:y1, x0:x1],
                buffers.part[y0:y1, x0:x1],
            )


def _ranges(
    first: Int[np.ndarray, "N"], last: Int[np.ndarray, "N"]
) -> tuple[Int[np.ndarray, "M"], Int[np.ndarray, "M"], list[int]]:
    """All whole numbers of N ranges in a row: whose each is, the number itself, and where each range begins."""
    counts = last - first
    begins = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - (begins - first)[owner], begins.tolist()


def _polynomials(
    quadrics: Quadrics, middle: Float[np.ndarray, "N 2"], drawn: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "N 14"]:
    """What each part's pixels are computed from, as polynomials of (x, y) about `middle`.

    In order: the discriminant (6), minus half the linear coefficient ``b`` (3), the constant ``c`` (1), the ray's slope
    along the third axis (3) and the camera's place on it (1). About the middle of the part the constants are small,
    so that single precision is enough for the pixels.
    """
    about = np.concatenate([middle, np.ones_like(middle[:, :1])], 1)
    gradient, origin, gamma = quadrics.gradient[drawn], quadrics.origin[drawn], quadrics.gamma[drawn]
    gradient[:, :, 2] = (gradient @ about[:, :, None])[..., 0]
    weights = np.ones_like(origin)
    weights[:, 2] = quadrics.alpha[drawn]
    weighted = weights * origin
    constant = (weighted * origin).sum(1) + 2 * gamma * origin[:, 2] + quadrics.delta[drawn]
    weighted[:, 2] += gamma
    square = gradient.mT @ (weights[:, :, None] * gradient)
    half = (gradient.mT @ weighted[:, :, None])[..., 0]
    m = half[:, :, None] * half[:, None, :] - constant[:, None, None] * square
    disc = np.stack([m[:, 0, 0], 2 * m[:, 0, 2], m[:, 2, 2], m[:, 1, 1], 2 * m[:, 1, 2], 2 * m[:, 0, 1]], 1)
    return np.concatenate([disc, -half, constant[:, None], gradient[:, 2], origin[:, 2:]], 1)


def _draw(
    part: int,
    is_cone: bool,
    constants: list[float],
    across: Float32[np.ndarray, "4 w"],
    down: Float32[np.ndarray, "4 h 1"],
    depth: Float32[np.ndarray, "h w"],
    number: Int16[np.ndarray, "h w"],
) -> None:
    """Draw one part where it is nearer than what is there: at the root ``c / (sqrt(disc) - b)`` of the quadratic.

    Beside the part there is no root: the square root is not a number there, and no comparison with it holds.
    """
    dx, disc_across, b_across, along_across = across
    cross, disc_down, b_down, along_down = down
    found = cross * dx
    found += disc_across
    found += disc_down
    np.sqrt(found, out=found)
    found += b_across
    found += b_down
    np.divide(constants[0], found, out=found)
    hit = found < depth
    if is_cone:
        along = along_down + along_across
        along *= found
        along += constants[1]
        hit &= along >= 0
        hit &= along <= 1
    np.copyto(depth, found, where=hit)
    np.copyto(number, part, where=hit)
