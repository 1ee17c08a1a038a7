"""Light and colour for what the rays met: all visible pixels at once."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from poserior.datasets.figures.camera import Camera
from poserior.datasets.figures.chance import Number
from poserior.datasets.figures.figure import EYE, FACE, HAIR, SHIRT
from poserior.datasets.figures.light import Light
from poserior.datasets.figures.outfit import Colour, Outfit
from poserior.datasets.figures.raycast import Buffers, Parts, Quadrics

_MATERIALS = 6
_OTHERS = ((0, 1), (1, 0), (1, 1))
_DARK = np.array([40.0, 30.0, 28.0])


@dataclass(frozen=True, eq=False)
class Wearer:
    """What shading needs of a person beyond the parts: clothes, and the frames patterns and face are drawn in.

    Frames are camera-to-local matrices with their offsets: ``l = matrix @ P + offset``.
    """

    outfit: Outfit
    chest: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]
    head: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]


def face_picture(outfit: Outfit, side: int) -> UInt8[np.ndarray, "S S 3"]:
    """A face in the head's (left, up) plane, one head height across; left of the person is to the right."""
    picture = np.empty((side, side, 3), np.uint8)
    skin = outfit.skin * 255
    picture[:] = skin.astype(np.uint8)
    for sign in (1, -1):
        _spot(picture, (sign * 0.17, -0.13), (0.075, 0.055), skin * (1.02, 0.86, 0.84))
    cv2.blur(picture, (side // 24 * 2 + 1,) * 2, dst=picture)
    if outfit.beard:
        beard = 0.65 * outfit.hair * 255 + 0.35 * skin
        _spot(picture, (0, -0.36), (0.25, 0.17), beard)
        _spot(picture, (0, -0.185), (0.10, 0.035), beard)
        cv2.blur(picture, (side // 48 * 2 + 1,) * 2, dst=picture)
    brow = 0.75 * outfit.hair * 255 + 0.25 * _DARK
    for sign in (1, -1):
        x, y = sign * EYE[0], EYE[1]
        _spot(picture, (x, y), (0.078, 0.050), skin * 0.74)
        _spot(picture, (x, y - 0.002), (0.066, 0.036), np.array([246.0, 244.0, 240.0]))
        _spot(picture, (x, y), (0.033, 0.036), _DARK)
        _spot(picture, (x, y + 0.086), (0.080, 0.017), brow, turn=-7.0 * sign)
        if outfit.glasses:
            _spot(picture, (x, y), (0.108, 0.085), _DARK, thickness=max(1, side // 40))
        _spot(picture, (sign * 0.03, -0.155), (0.016, 0.011), skin * 0.6)
    if outfit.glasses:
        _spot(picture, (0, EYE[1] + 0.01), (0.035, 0.008), _DARK)
    _spot(picture, (0, -0.262), (0.098, 0.034), outfit.lips * 255)
    _spot(picture, (0, -0.262), (0.092, 0.007), outfit.lips * 150)
    return picture


def _spot(
    picture: UInt8[np.ndarray, "S S 3"],
    at: tuple[Number, Number],
    half: tuple[Number, Number],
    tone: Colour,
    turn: Number = 0.0,
    thickness: int = -1,
) -> None:
    """An ellipse in head heights, RGB 0..255."""
    side = len(picture)
    centre = (round((at[0] + 0.5) * side * 16), round((0.5 - at[1]) * side * 16))
    axes = (round(half[0] * side * 16), round(half[1] * side * 16))
    cv2.ellipse(
        picture,
        centre,
        axes,
        turn,
        0,
        360,
        [min(max(value, 0.0), 255.0) for value in tone.tolist()],
        thickness,
        cv2.LINE_AA,
        4,
    )


def shade(
    parts: Parts,
    quadrics: Quadrics,
    buffers: Buffers,
    camera: Camera,
    light: Light,
    wearers: list[Wearer],
    supersample: int,
) -> UInt8[np.ndarray, "H W 4"]:
    """Colour and coverage (0 or 255) of every fine pixel; black where nothing was met."""
    height, width = buffers.part.shape
    picture = np.zeros((height * width, 4), np.uint8)
    # Where all rays of a pixel meet the same smooth part, one of them is shaded for all.
    blocks = _uniform_blocks(parts, buffers, wearers) if supersample % 2 == 0 else np.zeros((0, 0), np.bool_)
    wanted = buffers.part >= 0
    for down, right in _OTHERS if blocks.size else ():
        wanted[down::2, right::2] &= ~blocks
    seen = np.flatnonzero(wanted)
    if len(seen) == 0:
        return picture.reshape(height, width, 4)
    part = buffers.part.ravel()[seen].astype(np.int64)
    depth = buffers.depth.ravel()[seen]
    row = seen // width
    point = np.empty((3, len(seen)), np.float32)
    np.multiply(buffers.x[seen - row * width], depth, out=point[0])
    np.multiply(buffers.y[row], depth, out=point[1])
    point[2] = depth
    gloss, local, normal = _surface(parts, quadrics, part, point)
    second = local[2] > np.array(parts.cut, np.float32)[part]
    palette = np.array([*zip(parts.colour, parts.colour_2, strict=True)], np.float32).reshape(-1, 3).T.copy()
    colour = np.take(palette, 2 * part + second, axis=1)
    material = (np.array(parts.material) + _MATERIALS * np.array(parts.person)).astype(np.int16)[part]
    for number, wearer in enumerate(wearers):
        first = _MATERIALS * number
        _hair(colour, local, np.flatnonzero(material == first + HAIR))
        _shirt(colour, point, np.flatnonzero(material == first + SHIRT), wearer)
        _face(colour, point, np.flatnonzero(material == first + FACE), wearer)
    _illuminate(colour, normal, point, gloss, _crevices(buffers)[seen], camera, light)
    shaded = np.full((len(seen), 4), 255, np.uint8)
    for channel in range(3):
        shaded[:, channel] = colour[channel]
    whole = picture.view(np.uint32).reshape(height, width)
    whole.ravel()[seen] = shaded.view(np.uint32)[:, 0]
    for down, right in _OTHERS if blocks.size else ():
        np.copyto(whole[down::2, right::2], whole[::2, ::2], where=blocks)
    return picture.reshape(height, width, 4)


def _uniform_blocks(parts: Parts, buffers: Buffers, wearers: list[Wearer]) -> Bool[np.ndarray, "h w"]:
    """Blocks of 2 x 2 fine pixels that show one part without a pattern."""
    plain = [wearer.outfit.pattern == "plain" and wearer.outfit.backpack is None for wearer in wearers]
    smooth = [
        material not in (FACE, HAIR) and (material != SHIRT or plain[person])
        for material, person in zip(parts.material, parts.person, strict=True)
    ]
    first = buffers.part[::2, ::2]
    same = np.take(np.array([*smooth, False]), first)
    for down, right in _OTHERS:
        same &= first == buffers.part[down::2, right::2]
    return same


def _surface(
    parts: Parts, quadrics: Quadrics, part: Int[np.ndarray, "N"], point: Float32[np.ndarray, "3 N"]
) -> tuple[Float32[np.ndarray, "N"], Float32[np.ndarray, "3 N"], Float32[np.ndarray, "3 N"]]:
    """Each pixel's gloss, its place in its part's coordinates, and its unit normal in the camera's frame."""
    columns = [quadrics.gradient.reshape(-1, 9), quadrics.origin, quadrics.alpha[:, None], quadrics.gamma[:, None]]
    table = np.concatenate([*columns, np.array(parts.gloss)[:, None]], 1)
    rows = np.take(np.ascontiguousarray(table.T, np.float32), part, axis=1)
    local = np.empty_like(point)
    for axis in range(3):
        g = rows[3 * axis : 3 * axis + 3]
        np.add(rows[9 + axis], g[0] * point[0], out=local[axis])
        local[axis] += g[1] * point[1]
        local[axis] += g[2] * point[2]
    third = rows[12] * local[2] + rows[13]
    normal = np.empty_like(point)
    for axis in range(3):
        np.multiply(rows[axis], local[0], out=normal[axis])
        normal[axis] += rows[3 + axis] * local[1]
        normal[axis] += rows[6 + axis] * third
    normal /= _length(normal)
    return rows[14], local, normal


def _length(vectors: Float32[np.ndarray, "3 N"]) -> Float32[np.ndarray, "N"]:
    square = vectors[0] * vectors[0]
    square += vectors[1] * vectors[1]
    square += vectors[2] * vectors[2]
    square += np.float32(1e-12)
    length: Float32[np.ndarray, "N"] = np.sqrt(square, out=square)
    return length


def _illuminate(
    colour: Float32[np.ndarray, "3 N"],
    normal: Float32[np.ndarray, "3 N"],
    point: Float32[np.ndarray, "3 N"],
    gloss: Float32[np.ndarray, "N"],
    shadow: Float32[np.ndarray, "N"],
    camera: Camera,
    light: Light,
) -> None:
    """Turn the surfaces' colours 0..1 into what the camera sees of them, 0..255, in place."""
    towards = (camera.rotation @ light.direction).astype(np.float32)
    up = camera.rotation[:, 1].astype(np.float32)
    sky = up @ normal
    sky *= np.float32(0.32)
    sky += np.float32(0.72)
    lambert = towards @ normal
    view = point / _length(point)
    facing = view[0] * normal[0]
    facing += view[1] * normal[1]
    facing += view[2] * normal[2]
    # Where the inside of a sleeve or a hem is seen it is dark.
    shadow = np.where(facing > 0, shadow * np.float32(0.4), shadow)
    # Blinn's half vector h = towards - view: n.h over |h|, where |h|^2 = 2 - 2 towards.view.
    shine = np.maximum(lambert - facing, 0) / np.sqrt(np.maximum(2 - 2 * (towards @ view), np.float32(1e-4)))
    shine *= shine
    shine *= shine
    shine *= shine
    shine *= shine
    shine *= gloss * np.float32(light.colour.mean())
    edge = np.maximum(1 + facing, 0)
    edge *= edge * edge
    edge *= np.float32(0.10)
    shine += edge * sky
    shine *= shadow * np.float32(255)
    sky *= shadow
    lambert += np.float32(0.22)
    np.maximum(lambert, 0, out=lambert)
    lambert *= shadow * np.float32(1 / 1.22)
    for channel in range(3):
        lit = sky * np.float32(light.ambient[channel] * 255)
        lit += lambert * np.float32(light.colour[channel] * 255)
        lit *= colour[channel]
        lit += shine
        np.minimum(lit, 255, out=colour[channel])


def _crevices(buffers: Buffers) -> Float32[np.ndarray, "N"]:
    """Darker where a pixel lies behind its neighbourhood: soft contact shadows between limbs and body."""
    depth = buffers.depth[::2, ::2]
    found = depth < np.inf
    far = float(depth.max(where=found, initial=0.0)) + 0.05
    depth = np.where(found, depth, np.float32(far))
    pixel = abs(float(buffers.x[1] - buffers.x[0])) * 2 * (far - 0.3)
    reach = int(np.clip(round(0.05 / max(pixel, 1e-3)), 1, 12)) * 2 + 1
    open_to: Float32[np.ndarray, "h w"] = np.float32(5.0) * (cv2.blur(depth, (reach, reach)) - depth) + np.float32(1.0)
    np.clip(open_to, 0.5, 1, out=open_to)
    flat: Float32[np.ndarray, "N"] = cv2.resize(
        open_to, buffers.depth.shape[::-1], interpolation=cv2.INTER_LINEAR
    ).ravel()
    return flat


def _hair(colour: Float32[np.ndarray, "3 N"], local: Float32[np.ndarray, "3 N"], where: Int[np.ndarray, "M"]) -> None:
    """Strands."""
    x, y, z = local[:, where]
    strand = np.sin(26 * x + 3 * np.sin(4 * z + 3 * y))
    colour[:, where] *= 1 + np.float32(0.11) * strand


def _inside(
    frame: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]], point: Float32[np.ndarray, "3 M"]
) -> Float32[np.ndarray, "3 M"]:
    moved: Float32[np.ndarray, "3 M"] = frame[0].astype(np.float32) @ point + frame[1].astype(np.float32)[:, None]
    return moved


def _face(
    colour: Float32[np.ndarray, "3 N"], point: Float32[np.ndarray, "3 N"], where: Int[np.ndarray, "M"], wearer: Wearer
) -> None:
    x, y, z = _inside(wearer.head, point[:, where])
    front = np.flatnonzero(z > 0.02)
    if len(front) == 0:
        return
    # As finely drawn as it is seen: the front covers about half of a square of the head's height.
    side = int(np.clip(1.8 * np.sqrt(len(front)), 24, 256))
    face = face_picture(wearer.outfit, side).reshape(-1, 3)
    column, row = ((values[front] * side + side / 2).astype(np.int64) for values in (x, -y))
    np.clip(column, 0, side - 1, out=column)
    np.clip(row, 0, side - 1, out=row)
    colour[:, where[front]] = face[row * side + column].T * np.float32(1 / 255)


def _shirt(
    colour: Float32[np.ndarray, "3 N"], point: Float32[np.ndarray, "3 N"], where: Int[np.ndarray, "M"], wearer: Wearer
) -> None:
    """Patterns in the chest's frame, in body heights: left, up, front."""
    outfit = wearer.outfit
    x, y, z = _inside(wearer.chest, point[:, where])
    front = z > 0
    second = np.zeros(len(where), np.bool_)
    dark = np.zeros(len(where), np.bool_)
    if outfit.pattern == "hoops":
        second = np.sin(y * 150) > 0.2
    elif outfit.pattern == "stripes":
        second = np.sin(x * 170) > 0.45
    elif outfit.pattern == "chequers":
        second = (np.sin(x * 110) > 0) ^ (np.sin(y * 110) > 0)
    elif outfit.pattern == "yoke":
        second = y > 0.055
    elif outfit.pattern == "jacket":
        second = front & (np.abs(x) < 0.012 + 0.24 * np.maximum(y + 0.03, 0))
        dark = front & ~second & (np.abs(x) < 0.022 + 0.24 * np.maximum(y + 0.03, 0))
    elif outfit.pattern == "buttons":
        near = (y * 34) % 1.0 - 0.5
        second = front & (x**2 + (near / 34) ** 2 < 0.0052**2)
        dark = front & ~second & (np.abs(np.abs(x) - 0.011) < 0.0018)
    elif outfit.pattern == "emblem":
        second = front & (x**2 + (y - 0.045) ** 2 < 0.034**2)
        dark = ~front & (np.abs(x) < 0.055) & (np.abs(y - 0.07) < 0.012)
        second |= dark & (np.sin(x * 400) > 0)
        dark = second & front & (x**2 + (y - 0.045) ** 2 < 0.019**2)
    if outfit.backpack is not None:
        strap = front & (np.abs(np.abs(x) - 0.062) < 0.0105) & (y > -0.03)
        second, dark = second & ~strap, dark & ~strap
        colour[:, where[strap]] = outfit.backpack[:, None] * 0.7
    colour[:, where[second]] = outfit.second[:, None]
    colour[:, where[dark]] *= np.float32(0.72)
