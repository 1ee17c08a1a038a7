"""Places to stand in: a floor in true perspective, and a room, a landscape or a studio behind it.

Pictures are kept as three planes ``(3, H, W)`` in single precision, 0..255, until they are finished.
"""

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from poserior.datasets.figures.camera import Camera
from poserior.datasets.figures.chance import choose
from poserior.datasets.figures.light import Light
from poserior.datasets.figures.outfit import Colour, colour

_WALLS = (
    "e9e2d4", "d8dde0", "c8d5cf", "e3cfc0", "b9c4d0", "dfd8e4", "a9b7a4", "d9b8a3", "8fa3b0", "f0ebe0",
    "6f7f8c", "b5838d",
)  # fmt: skip
_FLOORS = ("b48a62", "8d6a4a", "cdb596", "9a9a98", "c9c4ba", "6d6a68", "7d8c93", "a5624a", "dcd3c3")
_GROUNDS = ("6f8f4e", "88a35c", "b9a37c", "9c8f80", "8b8f93", "d3c29c", "59703f", "a7785a", "dfe3e6")
_SKIES = (("5b9bd5", "dcebf5"), ("86b6d9", "f1eee4"), ("9aa7b5", "dfe3e6"), ("f2a65a", "f7dfc0"), ("4b6fa5", "f4c9a8"))
_TILE = 128
_METRES = 2.8
_HALF: Float[np.ndarray, "3 3"] = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


def noise(rng: np.random.Generator, size: tuple[int, int], cells: int, octaves: int) -> Float32[np.ndarray, "H W"]:
    """Smooth noise about zero, of unit order: several octaves, the first with `cells` cells across."""
    height, width = size
    across, down = cells + 1, max(2, cells * height // width) + 1
    total = rng.random((down, across), np.float32) - np.float32(0.5)
    strength = np.float32(1.0)
    for _ in range(octaves - 1):
        across, down, strength = 2 * across, 2 * down, strength * np.float32(0.6)
        finer = cv2.resize(total, (across, down), interpolation=cv2.INTER_LINEAR)
        total = finer + (rng.random((down, across), np.float32) - np.float32(0.5)) * strength
    total *= np.float32(1.6)
    smooth: Float32[np.ndarray, "H W"] = cv2.resize(total, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth


def _tile_noise(rng: np.random.Generator, octaves: int) -> Float32[np.ndarray, "T T"]:
    """Noise that continues over the edges of the tile."""
    total = np.zeros((_TILE, _TILE), np.float32)
    for octave in range(octaves):
        cells = 4 << octave
        step = _TILE // cells
        grid = cv2.copyMakeBorder(rng.random((cells, cells), np.float32), 1, 1, 1, 1, cv2.BORDER_WRAP)
        fine = cv2.resize(grid, ((cells + 2) * step, (cells + 2) * step), interpolation=cv2.INTER_LINEAR)
        total += (fine[step:-step, step:-step] - np.float32(0.5)) * np.float32(1.6 * 0.7**octave)
    return total


def paint_background(
    rng: np.random.Generator,
    camera: Camera,
    picture_size: tuple[int, int],
    light: Light,
    shadow: Float32[np.ndarray, "H W"],
) -> Float32[np.ndarray, "3 H W"]:
    """RGB planes 0..255. `shadow` (0..1) is what people and things throw onto the ground."""
    kind = choose(rng, (0.42, 0.40, 0.18))
    inverse = np.linalg.inv(camera.ground_homography())
    # Its third row is one over the depth of the ground seen at a pixel: positive below the horizon.
    nearness = _linear(inverse[2], *picture_size)
    if kind == 0:
        picture = _room(rng, camera, nearness, inverse)
    elif kind == 1:
        picture = _landscape(rng, nearness, inverse)
    else:
        picture = _studio(rng, nearness)
    dark = shadow * (nearness > 0)
    dark *= np.float32(-0.5 * float(light.colour.mean()) - 0.12)
    dark += np.float32(1)
    picture *= dark
    picture *= ((light.colour * 0.62 + light.ambient * 0.8) ** 0.6).astype(np.float32)[:, None, None]
    return picture


def _linear(row: Float[np.ndarray, "3"], height: int, width: int, top: int = 0) -> Float32[np.ndarray, "H W"]:
    """``row . (x, y, 1)`` at the centres of the pixels of the rows from `top` on."""
    a, b, c = row.tolist()
    across = np.arange(width, dtype=np.float32) * np.float32(a) + np.float32(0.5 * a + 0.5 * b + c)
    values: Float32[np.ndarray, "H W"] = (np.arange(top, height, dtype=np.float32) * np.float32(b))[:, None] + across
    return values


def _down(height: int) -> Float32[np.ndarray, "H 1"]:
    """The heights of the pixels' centres."""
    return np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)


def _ahead(camera: Camera) -> Float[np.ndarray, "3"]:
    away = camera.rotation[2] * [1, 0, 1]
    ahead: Float[np.ndarray, "3"] = away / max(float(np.linalg.norm(away)), 1e-6)
    return ahead


def _lay(
    picture: Float32[np.ndarray, "3 H W"],
    edge: Float32[np.ndarray, "W"],
    texture: UInt8[np.ndarray, "T T 3"],
    inverse: Float[np.ndarray, "3 3"],
    nearness: Float32[np.ndarray, "H W"],
    haze: Float[np.ndarray, "3"],
    clear: float,
) -> None:
    """Lay a texture on the ground below `edge` (a row per column), fading into `haze` where it is far."""
    height, width = nearness.shape
    top = int(np.clip(np.floor(edge.min() - 0.5), 0, height))
    if top >= height:
        return
    scale = _TILE / _METRES
    matrix = np.diag([scale, scale, 1.0]) @ inverse
    under = _linear(matrix[2], height, width, top)
    np.maximum(under, np.float32(1e-4), out=under)
    column, row = (_linear(matrix[axis], height, width, top) / under - np.float32(0.5) for axis in (0, 1))
    for where in (column, row):
        where -= np.floor(where * np.float32(1 / _TILE)) * np.float32(_TILE)
    laid = cv2.remap(texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    faded = nearness[top:] * np.float32(1 / (float(nearness.max()) * clear + 1e-12))
    np.clip(faded, 0, 1, out=faded)
    below = np.arange(top, height, dtype=np.float32)[:, None] + (np.float32(1) - edge)
    np.clip(below, 0, 1, out=below)
    for channel in range(3):
        ground = laid[..., channel].astype(np.float32)
        ground -= np.float32(haze[channel])
        ground *= faded
        ground += np.float32(haze[channel])
        target = picture[channel, top:]
        ground -= target
        ground *= below
        target += ground


def _shades(base: Colour, grain: Float32[np.ndarray, "T T"]) -> UInt8[np.ndarray, "T T 3"]:
    tile = np.empty((_TILE, _TILE, 3), np.uint8)
    grain = grain + np.float32(1)
    for channel in range(3):
        tile[..., channel] = np.clip(grain * np.float32(base[channel] * 255), 0, 255)
    return tile


def _indoor_tile(rng: np.random.Generator, base: Colour) -> UInt8[np.ndarray, "T T 3"]:
    kind = rng.integers(4)
    if kind == 0:  # planks
        planks = int(rng.choice([8, 16]))
        wide = _TILE // planks
        tones = rng.normal(0, 0.09, (2, planks)).astype(np.float32)
        grain = cv2.resize(rng.random((_TILE, 10), np.float32), (_TILE, _TILE)) * np.float32(0.12) - np.float32(0.06)
        grain[:, : _TILE // 2] += np.repeat(tones[0], wide)[:, None]
        grain[:, _TILE // 2 :] += np.repeat(tones[1], wide)[:, None]
        grain[::wide] -= np.float32(0.28)
        grain[:, :: _TILE // 2] -= np.float32(0.2)
        return _shades(base, grain)
    grain = _tile_noise(rng, 3) * np.float32(0.08)
    if kind == 1:  # tiles with joints
        step = int(rng.choice([16, 32, 64]))
        grain[::step] -= np.float32(0.25)
        grain[:, ::step] -= np.float32(0.25)
    elif kind == 2:  # chequered
        step = int(rng.choice([16, 32]))
        cells = (np.arange(_TILE) // step) % 2
        grain += (cells[:, None] ^ cells) * np.float32(rng.uniform(-0.4, 0.4))
    else:  # carpet
        grain += rng.random((_TILE, _TILE), np.float32) * np.float32(0.16) - np.float32(0.08)
    return _shades(base, grain)


def _room(
    rng: np.random.Generator, camera: Camera, nearness: Float32[np.ndarray, "H W"], inverse: Float[np.ndarray, "3 3"]
) -> Float32[np.ndarray, "3 H W"]:
    height, width = nearness.shape
    wall, floor = colour(_WALLS[rng.integers(len(_WALLS))]) * 255, colour(_FLOORS[rng.integers(len(_FLOORS))])
    at = camera.position * [1, 0, 1] + _ahead(camera) * (np.linalg.norm(camera.position) + rng.uniform(0.8, 2.6))
    pixel = camera.project(camera.to_camera(at))
    foot = float(np.clip(pixel[1], -99, 9999)) if camera.to_camera(at)[2] > 0.1 else -99.0
    tilt = float(np.clip(-camera.rotation[0, 1], -0.1, 0.1))
    edge = np.float32(foot) + np.float32(tilt) * (np.arange(width, dtype=np.float32) - np.float32(width / 2))
    paper = np.empty((height, width, 3), np.uint8)
    paper[:] = np.clip(wall, 0, 255).astype(np.uint8)
    _decorate(rng, paper, wall, foot)
    picture = paper.transpose(2, 0, 1).astype(np.float32, order="C")
    light = noise(rng, (height, width), 3, 2) * np.float32(0.07)
    light += np.linspace(rng.uniform(0.82, 1.12), rng.uniform(0.82, 1.12), width, dtype=np.float32)
    picture *= light
    # A light skirting runs along the wall's lower edge.
    over = edge - _down(height)
    board = (
        np.clip(over + np.float32(0.5), 0, 1) * np.clip(np.float32(height * 0.022 + 1) - over, 0, 1) * np.float32(0.6)
    )
    picture *= 1 - board
    picture += board * np.float32(245)
    _lay(picture, edge, _indoor_tile(rng, floor), inverse, nearness, floor * 235, 0.10)
    return picture


def _decorate(
    rng: np.random.Generator, paper: UInt8[np.ndarray, "H W 3"], wall: Float[np.ndarray, "3"], foot: float
) -> None:
    """Wallpaper, bricks, panels, pictures on the wall."""
    height, width = paper.shape[:2]
    kind = rng.integers(6)
    shade = np.clip(wall * rng.uniform(0.78, 0.94), 0, 255).astype(np.uint8)
    step = max(4, int(width * rng.uniform(0.05, 0.14)))
    if kind == 0:
        for left in range(0, width, step):
            paper[:, left : left + step // 2] = shade
    elif kind == 1:
        tall = max(4, height // 22)
        for row, top in enumerate(range(0, height, tall)):
            paper[top] = shade
            paper[top : top + tall, (row % 2) * tall :: 2 * tall] = shade
    elif kind == 2:
        paper[int(np.clip(foot - height * 0.28, 0, height)) : int(np.clip(foot, 0, height))] = shade
    elif kind == 3:
        paper[::step] = shade
        paper[:, ::step] = shade
    for _ in range(rng.integers(0, 4)):
        wide, tall = rng.uniform(0.12, 0.34) * width, rng.uniform(0.10, 0.26) * height
        x, y = rng.uniform(-0.1, 0.95) * width, rng.uniform(-0.1, 0.6) * height
        frame, inner, motif = wall * rng.uniform(0.35, 0.8), rng.uniform(60, 245, 3), rng.random() < 0.5
        if y + tall > foot:
            continue
        first, last = (round(x), round(y)), (round(x + wide), round(y + tall))
        rim = max(1, width // 64)
        cv2.rectangle(paper, first, last, frame.tolist(), -1)
        cv2.rectangle(paper, (first[0] + rim, first[1] + rim), (last[0] - rim, last[1] - rim), inner.tolist(), -1)
        if motif:
            middle = ((first[0] + last[0]) // 2, (first[1] * 2 + last[1]) // 3)
            cv2.circle(paper, middle, max(1, (last[0] - first[0]) // 5), (inner[::-1] * 0.8).tolist(), -1, cv2.LINE_AA)


def _landscape(
    rng: np.random.Generator, nearness: Float32[np.ndarray, "H W"], inverse: Float[np.ndarray, "3 3"]
) -> Float32[np.ndarray, "3 H W"]:
    height, width = nearness.shape
    top, low = (colour(code) * 255 for code in _SKIES[rng.integers(len(_SKIES))])
    ground = nearness > 0
    # The horizon's row in each column, off the picture where it is not in it.
    horizon = np.where(ground[-1], ground.argmax(0), height).astype(np.float32)
    ramp = np.clip(_down(height) / max(float(horizon.mean()), 1.0), 0, 1) ** np.float32(0.8)
    picture = np.empty((3, height, width), np.float32)
    picture[:] = np.stack([a + (b - a) * ramp for a, b in zip(top.tolist(), low.tolist(), strict=True)])
    clouds = noise(rng, (height, width), 3, 4)
    clouds -= np.float32(0.1)
    np.clip(clouds, 0, 0.7, out=clouds)
    clouds *= np.float32(rng.uniform(0.3, 1.1))
    picture += clouds * (np.float32(252) - picture)
    base = colour(_GROUNDS[rng.integers(len(_GROUNDS))])
    for layer in range(rng.integers(1, 4)):
        _skyline(rng, picture, horizon, base, low, layer)
    grain = _tile_noise(rng, 4) * np.float32(0.15)
    grain += rng.random((_TILE, _TILE), np.float32) * np.float32(0.2) - np.float32(0.1)
    _lay(picture, horizon, _shades(base, grain), inverse, nearness, 0.5 * base * 255 + 0.5 * low, 0.16)
    return picture


def _skyline(
    rng: np.random.Generator,
    picture: Float32[np.ndarray, "3 H W"],
    horizon: Float32[np.ndarray, "W"],
    base: Colour,
    haze: Float[np.ndarray, "3"],
    layer: int,
) -> None:
    """Houses, trees or hills on the horizon, nearer layers lower and darker."""
    _, height, width = picture.shape
    kind = rng.integers(3)
    tall = height * rng.uniform(0.05, 0.22) / (1 + 0.6 * layer)
    if kind == 0:
        steps = np.repeat(rng.random(width // 9 + 1), 9)[:width]
        tone = rng.uniform(70, 190) * np.array([1.0, 0.97, 0.94])
    elif kind == 1:
        steps = np.abs(noise(rng, (2, width), 9, 2)[0]) + 0.35
        tone = base * 150 * [0.75, 1.0, 0.7]
    else:
        steps = noise(rng, (2, width), 3, 3)[0] * 0.6 + 0.6
        tone = base * 170 + [0, 5, 25]
    blend = 0.65 - 0.2 * layer
    tone = tone * (1 - blend) + haze * blend
    edge = horizon - np.float32(tall) * np.clip(steps, 0.05, 1.3).astype(np.float32)
    first, last = int(max(edge.min() - 1, 0)), int(min(horizon.max() + 1, height))
    if last <= first:
        return
    alpha = np.clip(np.arange(first, last, dtype=np.float32)[:, None] + (np.float32(1) - edge), 0, 1)
    band = picture[:, first:last]
    band += alpha * (tone.astype(np.float32)[:, None, None] - band)


def _studio(rng: np.random.Generator, nearness: Float32[np.ndarray, "H W"]) -> Float32[np.ndarray, "3 H W"]:
    """A seamless backdrop: a soft gradient, marbled or with discs of light out of focus."""
    height, width = nearness.shape
    first = colour(_WALLS[rng.integers(len(_WALLS))]) * 255 * rng.uniform(0.45, 1.0)
    second = first * rng.uniform(0.55, 0.9) + rng.uniform(0, 20, 3)
    corners = (
        np.stack([first, second, second * 0.9, first * 0.8])[rng.permutation(4)].reshape(2, 2, 3).astype(np.float32)
    )
    smooth = cv2.resize(corners, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.45:
        for _ in range(rng.integers(5, 16)):
            disc = smooth.copy()
            radius = int(rng.uniform(0.02, 0.09) * width * 8)
            centre = (int(rng.uniform(0, width) * 8), int(rng.uniform(0, height) * 8))
            cv2.circle(disc, centre, radius, rng.uniform(120, 255, 3).tolist(), -1, cv2.LINE_8, 3)
            share = float(rng.uniform(0.05, 0.25))
            smooth = cv2.addWeighted(smooth, 1 - share, disc, share, 0)
        smooth = cv2.GaussianBlur(smooth, (3, 3), 0)
    picture = smooth.transpose(2, 0, 1).astype(np.float32, order="C")
    marble = noise(rng, (height, width), int(rng.integers(2, 6)), 4) * np.float32(rng.uniform(0.03, 0.3)) + np.float32(
        1
    )
    marble += np.clip(nearness * np.float32(1 / max(float(nearness.max()), 1e-12)), 0, 1) * np.float32(0.16)
    picture *= marble
    return picture
