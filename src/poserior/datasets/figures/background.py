"""Places to stand in: a floor in true perspective, and a room, a landscape or a studio behind it."""

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from poserior.datasets.figures.camera import Camera
from poserior.datasets.figures.outfit import Colour, colour
from poserior.datasets.figures.shading import Light

_WALLS = ("e9e2d4", "d8dde0", "c8d5cf", "e3cfc0", "b9c4d0", "dfd8e4", "a9b7a4", "d9b8a3", "8fa3b0", "f0ebe0", "6f7f8c", "b5838d")
_FLOORS = ("b48a62", "8d6a4a", "cdb596", "9a9a98", "c9c4ba", "6d6a68", "7d8c93", "a5624a", "dcd3c3")
_GROUNDS = ("6f8f4e", "88a35c", "b9a37c", "9c8f80", "8b8f93", "d3c29c", "59703f", "a7785a")
_SKIES = (("5b9bd5", "dcebf5"), ("86b6d9", "f1eee4"), ("9aa7b5", "dfe3e6"), ("f2a65a", "f7dfc0"), ("4b6fa5", "f4c9a8"))
_TILE = 128
_METRES = 3.2


def noise(rng: np.random.Generator, size: tuple[int, int], cells: int, octaves: int) -> Float32[np.ndarray, "H W"]:
    """Smooth noise about zero, of unit order: several octaves, the first with `cells` cells across."""
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        across = cells << octave
        grid = rng.random((max(2, across * height // width) + 2, across + 2), np.float32)
        total += cv2.resize(grid - np.float32(0.5), (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.6**octave)
    return total * np.float32(1.6)


def paint_background(
    rng: np.random.Generator, camera: Camera, picture_size: tuple[int, int], light: Light, shadow: Float32[np.ndarray, "H W"]
) -> Float32[np.ndarray, "H W 3"]:
    """RGB 0..255. `shadow` (0..1) is what people and things throw onto the ground."""
    height, width = picture_size
    kind = rng.choice(3, p=(0.42, 0.40, 0.18))
    homography = camera.ground_homography()
    inverse = np.linalg.inv(homography)
    # Its third row is one over the depth of the ground seen at a pixel: positive below the horizon.
    x = np.arange(width, dtype=np.float32) + np.float32(0.5)
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    a, b, c = inverse[2].tolist()
    nearness = (a * x + c) + b * y
    ground = nearness > 0
    if kind == 0:
        picture = _room(rng, camera, picture_size, nearness, inverse)
    elif kind == 1:
        picture = _landscape(rng, picture_size, nearness, inverse)
    else:
        picture = _studio(rng, picture_size, nearness)
    dark = np.where(ground, shadow, np.float32(0)) * np.float32(0.5 * float(light.colour.mean()) + 0.12)
    picture *= (np.float32(1) - dark)[..., None]
    picture *= ((light.colour * 0.62 + light.ambient * 0.8) ** 0.6).astype(np.float32)
    return picture


def _ahead(camera: Camera) -> Float[np.ndarray, "3"]:
    away = camera.rotation[2] * [1, 0, 1]
    ahead: Float[np.ndarray, "3"] = away / max(float(np.linalg.norm(away)), 1e-6)
    return ahead


def _floor(
    texture: UInt8[np.ndarray, "T T 3"],
    inverse: Float[np.ndarray, "3 3"],
    nearness: Float32[np.ndarray, "H W"],
    haze: Float[np.ndarray, "3"],
    clear: float,
) -> Float32[np.ndarray, "H W 3"]:
    """A texture laid on the ground, fading into `haze` where it is far."""
    height, width = nearness.shape
    to_tile = np.array([[_TILE / _METRES, 0, 0], [0, _TILE / _METRES, 0], [0, 0, 1]]) @ inverse
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ to_tile @ half
    # A mosaic of the tile, seen far away, would flicker: the haze covers it there.
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    m = (matrix / np.abs(matrix).max()).astype(np.float32)
    under = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    under = np.where(np.abs(under) < 1e-9, np.float32(1e-9), under)
    column = np.mod((m[0, 0] * x + m[0, 1] * y + m[0, 2]) / under, np.float32(_TILE))
    row = np.mod((m[1, 0] * x + m[1, 1] * y + m[1, 2]) / under, np.float32(_TILE))
    laid = cv2.remap(texture, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.float32)
    scale = float(nearness.max()) * clear + 1e-12
    faded = np.clip(nearness / np.float32(scale), 0, 1)[..., None]
    return laid * faded + haze.astype(np.float32) * (np.float32(1) - faded)


def _shades(base: Colour, grain: Float32[np.ndarray, "T T"]) -> UInt8[np.ndarray, "T T 3"]:
    tile: UInt8[np.ndarray, "T T 3"] = np.clip(base.astype(np.float32) * 255 * (1 + grain[..., None]), 0, 255).astype(np.uint8)
    return tile


def _indoor_tile(rng: np.random.Generator, base: Colour) -> UInt8[np.ndarray, "T T 3"]:
    kind = rng.integers(4)
    grain = noise(rng, (_TILE, _TILE), 4, 3) * np.float32(0.08)
    if kind == 0:  # planks
        planks = int(rng.choice([8, 16]))
        wide = _TILE // planks
        tones = rng.normal(0, 0.09, (2, planks)).astype(np.float32)
        grain = cv2.resize(rng.random((_TILE, 10), np.float32), (_TILE, _TILE)) * np.float32(0.12) - np.float32(0.06)
        grain[:, : _TILE // 2] += np.repeat(tones[0], wide)[:, None]
        grain[:, _TILE // 2 :] += np.repeat(tones[1], wide)[:, None]
        grain[::wide] -= np.float32(0.28)
        grain[:, :: _TILE // 2] -= np.float32(0.2)
    elif kind == 1:  # tiles with joints
        grain[:: _TILE // 4] -= np.float32(0.25)
        grain[:, :: _TILE // 4] -= np.float32(0.25)
    elif kind == 2:  # chequered
        cells = np.indices((_TILE, _TILE)) // (_TILE // 4)
        grain += ((cells.sum(0) % 2) * np.float32(rng.uniform(0.15, 0.5))).astype(np.float32)
    else:  # carpet
        grain += rng.random((_TILE, _TILE), np.float32) * np.float32(0.14) - np.float32(0.07)
    return _shades(base, grain)


def _room(
    rng: np.random.Generator,
    camera: Camera,
    picture_size: tuple[int, int],
    nearness: Float32[np.ndarray, "H W"],
    inverse: Float[np.ndarray, "3 3"],
) -> Float32[np.ndarray, "H W 3"]:
    height, width = picture_size
    wall, floor = colour(_WALLS[rng.integers(len(_WALLS))]) * 255, colour(_FLOORS[rng.integers(len(_FLOORS))])
    at = camera.position * [1, 0, 1] + _ahead(camera) * (np.linalg.norm(camera.position) + rng.uniform(0.8, 2.6))
    pixel = camera.project(camera.to_camera(at))
    edge = float(pixel[1]) if camera.to_camera(at)[2] > 0.1 else -1.0
    tilt = float(np.clip(-camera.rotation[0, 1], -0.1, 0.1))
    line = edge + tilt * (np.arange(width, dtype=np.float32) - np.float32(pixel[0]))
    paper = np.empty((height, width, 3), np.float32)
    paper[:] = wall
    _decorate(rng, paper, wall, edge, height)
    paper *= (1 + noise(rng, picture_size, 3, 2) * np.float32(0.06))[..., None]
    paper *= np.linspace(rng.uniform(0.82, 1.12), rng.uniform(0.82, 1.12), width, dtype=np.float32)[None, :, None]
    # What lies under the wall's lower edge is floor; a light skirting runs along it.
    over = line[None] - (np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5))
    board = np.clip(over + np.float32(0.5), 0, 1) * np.clip(np.float32(height * 0.022 + 1) - over, 0, 1)
    paper += (board * np.float32(0.6))[..., None] * (np.float32(245) - paper)
    below = np.clip(np.float32(0.5) - over, 0, 1)[..., None]
    if edge >= height:
        return paper
    laid = _floor(_indoor_tile(rng, floor), inverse, nearness, floor * 235, 0.10)
    corner = 1 - np.float32(0.25) * np.exp(np.minimum(over, 0) / np.float32(height * 0.05))
    return paper * (1 - below) + laid * corner[..., None] * below


def _decorate(
    rng: np.random.Generator, paper: Float32[np.ndarray, "H W 3"], wall: Float[np.ndarray, "3"], edge: float, height: int
) -> None:
    """Wallpaper, bricks, pictures, a window, shelves on the wall."""
    width = paper.shape[1]
    kind = rng.integers(5)
    if kind == 0:
        stripe = max(3, int(width * rng.uniform(0.04, 0.12)))
        paper[:, (np.arange(width) // stripe) % 2 == 0] *= np.float32(rng.uniform(0.86, 0.95))
    elif kind == 1:
        tall = max(4, height // 22)
        for row, top in enumerate(range(0, height, tall)):
            paper[top] *= np.float32(0.82)
            paper[top : top + tall, (row % 2) * tall :: 2 * tall] *= np.float32(0.85)
    elif kind == 2 and edge > height * 0.2:
        paper[int(max(0.0, edge - height * 0.28)) : max(0, int(edge))] *= np.float32(rng.uniform(0.72, 0.9))
    for _ in range(rng.integers(0, 4)):
        wide, tall = rng.uniform(0.12, 0.34) * width, rng.uniform(0.10, 0.26) * height
        x, y = rng.uniform(-0.1, 0.95) * width, rng.uniform(-0.1, 0.6) * height
        if y + tall > edge:
            continue
        first, last = (round(x * 8), round(y * 8)), (round((x + wide) * 8), round((y + tall) * 8))
        frame, inner = wall * rng.uniform(0.35, 0.8), rng.uniform(60, 245, 3)
        cv2.rectangle(paper, first, last, frame.tolist(), -1, cv2.LINE_8, 3)
        rim = max(8, width // 8)
        first, last = (first[0] + rim, first[1] + rim), (last[0] - rim, last[1] - rim)
        if last[0] > first[0] and last[1] > first[1]:
            cv2.rectangle(paper, first, last, inner.tolist(), -1, cv2.LINE_8, 3)
            if rng.random() < 0.5:
                middle = ((first[0] + last[0]) // 2, (first[1] * 2 + last[1]) // 3)
                cv2.circle(paper, middle, max(4, (last[0] - first[0]) // 5), (inner[::-1] * 0.8).tolist(), -1, cv2.LINE_8, 3)


def _landscape(
    rng: np.random.Generator,
    picture_size: tuple[int, int],
    nearness: Float32[np.ndarray, "H W"],
    inverse: Float[np.ndarray, "3 3"],
) -> Float32[np.ndarray, "H W 3"]:
    height, width = picture_size
    top, low = (colour(code) * 255 for code in _SKIES[rng.integers(len(_SKIES))])
    ground = nearness > 0
    # The horizon's row in each column, off the picture where it is not in it.
    horizon = np.where(ground.any(0), ground.argmax(0), height).astype(np.float32)
    ramp = np.clip(np.arange(height, dtype=np.float32) / max(float(horizon.mean()), 1.0), 0, 1)[:, None, None] ** np.float32(0.8)
    sky = top.astype(np.float32) * (1 - ramp) + low.astype(np.float32) * ramp
    sky = np.broadcast_to(sky, (height, width, 3)).copy()
    clouds = np.clip(noise(rng, picture_size, 3, 4) - np.float32(0.1), 0, 0.7)[..., None]
    sky += clouds * (np.float32(252) - sky) * np.float32(rng.uniform(0.3, 1.1))
    base = colour(_GROUNDS[rng.integers(len(_GROUNDS))])
    if horizon.min() > 0:
        for layer in range(rng.integers(1, 4)):
            _skyline(rng, sky, horizon, base, low, layer)
    if horizon.min() >= height:
        return sky
    grain = noise(rng, (_TILE, _TILE), 5, 4) * np.float32(0.2) + rng.random((_TILE, _TILE), np.float32) * np.float32(0.22) - np.float32(0.11)
    tile = _shades(base, grain)
    if rng.random() < 0.3:
        cv2.line(tile, (0, 40), (_TILE, 40), (225, 225, 220), 3)
    laid = _floor(tile, inverse, nearness, 0.5 * base * 255 + 0.5 * low, 0.16)
    edge = np.clip(np.arange(height, dtype=np.float32)[:, None] - horizon + np.float32(0.5), 0, 1)[..., None]
    return sky * (1 - edge) + laid * edge


def _skyline(
    rng: np.random.Generator,
    sky: Float32[np.ndarray, "H W 3"],
    horizon: Float32[np.ndarray, "W"],
    base: Colour,
    haze: Float[np.ndarray, "3"],
    layer: int,
) -> None:
    """Hills, trees or houses on the horizon, nearer layers lower and darker."""
    height, width = sky.shape[:2]
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
    edge = horizon - tall * np.clip(steps, 0.05, 1.3).astype(np.float32)
    alpha = np.clip(np.arange(height, dtype=np.float32)[:, None] - edge + np.float32(0.5), 0, 1)[..., None]
    sky += alpha * (tone.astype(np.float32) - sky)


def _studio(
    rng: np.random.Generator, picture_size: tuple[int, int], nearness: Float32[np.ndarray, "H W"]
) -> Float32[np.ndarray, "H W 3"]:
    """A seamless backdrop: a soft gradient, marbled or with discs of light out of focus."""
    height, width = picture_size
    first = colour(_WALLS[rng.integers(len(_WALLS))]) * 255 * rng.uniform(0.45, 1.0)
    second = first * rng.uniform(0.55, 0.9) + rng.uniform(0, 20, 3)
    corners = np.stack([first, second, second * 0.9, first * 0.8])[rng.permutation(4)].reshape(2, 2, 3).astype(np.float32)
    picture = cv2.resize(corners, (width, height), interpolation=cv2.INTER_CUBIC)
    picture *= (1 + noise(rng, picture_size, int(rng.integers(2, 6)), 4) * np.float32(rng.uniform(0.03, 0.3)))[..., None]
    if rng.random() < 0.45:
        for _ in range(rng.integers(5, 16)):
            disc = np.zeros((height, width), np.uint8)
            radius = int(rng.uniform(0.02, 0.09) * width * 8)
            cv2.circle(disc, (int(rng.uniform(0, width) * 8), int(rng.uniform(0, height) * 8)), radius, 255, -1, cv2.LINE_AA, 3)
            tone = np.float32(rng.uniform(120, 255, 3))
            picture += (disc * np.float32(rng.uniform(0.05, 0.25) / 255))[..., None] * (tone - picture)
    seam = np.clip(nearness / max(float(nearness.max()), 1e-12), 0, 1)[..., None]
    picture *= 1 + np.float32(0.16) * seam
    return picture
