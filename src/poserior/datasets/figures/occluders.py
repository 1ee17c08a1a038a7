"""Things in front of the people: furniture, bars, boards and leaves, drawn onto the finished picture."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from poserior.datasets.figures.chance import choose
from poserior.datasets.figures.outfit import Colour, colour

_WOOD = ("8b5e3c", "b98b5e", "5e4632", "c9a77c", "3b3f46", "a8b0b5", "e8e2d6", "7a2e2e", "2f5d62")
_LEAF = ("3f6b35", "5c8a3a", "2f5233", "7d9c4a", "94763a")


def draw_occluder(
    rng: np.random.Generator, picture: UInt8[np.ndarray, "H W 3"], box_xyxy: Float[np.ndarray, "4"]
) -> UInt8[np.ndarray, "H W"]:
    """Draw one thing over part of a box, into `picture`; return its coverage 0..255."""
    cover = np.zeros(picture.shape[:2], np.uint8)
    kinds = (_furniture, _bar, _board, _leaves, _crate)
    kinds[choose(rng, (0.28, 0.2, 0.12, 0.24, 0.16))](rng, picture, cover, box_xyxy)
    return cover


def _pick(rng: np.random.Generator, codes: tuple[str, ...]) -> Colour:
    return np.clip(colour(codes[rng.integers(len(codes))]) * rng.normal(1, 0.06, 3), 0, 1) * 255


def _fill(
    picture: UInt8[np.ndarray, "H W 3"],
    cover: UInt8[np.ndarray, "H W"],
    corners: Float[np.ndarray, "N 2"],
    tone: Float[np.ndarray, "3"],
) -> None:
    points = np.round(corners * 16).astype(np.int32)
    cv2.fillConvexPoly(picture, points, np.clip(tone, 0, 255).tolist(), cv2.LINE_AA, 4)
    cv2.fillConvexPoly(cover, points, 255, cv2.LINE_AA, 4)


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> Float[np.ndarray, "4 2"]:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _furniture(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "H W 3"],
    cover: UInt8[np.ndarray, "H W"],
    box: Float[np.ndarray, "4"],
) -> None:
    """A table or a counter: a top seen a little from above, with legs or a panelled front."""
    x0, y0, x1, y1 = box.tolist()
    wide, tall = x1 - x0, y1 - y0
    top, left = y1 - rng.uniform(0.15, 0.42) * tall, x0 + rng.uniform(-0.5, 0.35) * wide
    right = left + rng.uniform(0.7, 1.7) * wide
    depth, slab = rng.uniform(0.02, 0.08) * tall, 0.022 * tall + 1.5
    bottom = picture.shape[0] + 4.0 if rng.random() < 0.5 else y1 + rng.uniform(0.02, 0.12) * tall
    tone, slant = _pick(rng, _WOOD), 0.06 * wide
    if rng.random() < 0.45:
        leg = 0.05 * wide + 1.5
        for at in (left + leg, right - 2 * leg):
            _fill(picture, cover, _rectangle(at, top, at + leg, bottom), tone * 0.6)
            _fill(picture, cover, _rectangle(at, top, at + 0.4 * leg, bottom), tone * 0.78)
    else:
        _fill(picture, cover, _rectangle(left + 1, top, right - 1, bottom), tone * 0.72)
        panels = int(rng.integers(1, 4))
        for panel in range(panels):
            a = left + (right - left) * (panel + 0.08) / panels
            b = left + (right - left) * (panel + 0.92) / panels
            _fill(picture, cover, _rectangle(a, top + 0.07 * tall, b, bottom - 0.04 * tall), tone * 0.82)
    corners = np.array([[left + slant, top - depth], [right - slant, top - depth], [right, top], [left, top]])
    _fill(picture, cover, corners, tone * 1.12)
    _fill(picture, cover, _rectangle(left, top, right, top + slab), tone * 0.9)


def _bar(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "H W 3"],
    cover: UInt8[np.ndarray, "H W"],
    box: Float[np.ndarray, "4"],
) -> None:
    """Poles or rails, rounded by light."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box.tolist()
    tone, thick = _pick(rng, _WOOD), rng.uniform(0.05, 0.16) * (x1 - x0) + 1.5
    upright = rng.random() < 0.6
    lean = rng.normal(0, 0.12)
    for number in range(rng.integers(1, 4)):
        if upright:
            at = x0 + rng.uniform(0.1, 0.9) * (x1 - x0)
            start, end = np.array([at - lean * height / 2, -5.0]), np.array([at + lean * height / 2, height + 5.0])
        else:
            at = y0 + (0.45 + 0.22 * number + rng.uniform(-0.1, 0.1)) * (y1 - y0)
            start, end = np.array([-5.0, at - lean * width / 2]), np.array([width + 5.0, at + lean * width / 2])
        along = (end - start) / np.linalg.norm(end - start)
        across = np.array([-along[1], along[0]]) * (1 if upright else -1)
        for part, shade in ((1.0, 0.55), (0.82, 0.75), (0.58, 0.95), (0.32, 1.15)):
            shift = across * thick * 0.22 * (1 - part)
            edge = across * thick * part / 2
            ends = np.stack([start - edge + shift, start + edge + shift, end + edge + shift, end - edge + shift])
            _fill(picture, cover, ends, tone * shade)


def _board(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "H W 3"],
    cover: UInt8[np.ndarray, "H W"],
    box: Float[np.ndarray, "4"],
) -> None:
    """A tilted board with a stripe, such as a placard or a tablet held up."""
    x0, y0, x1, y1 = box.tolist()
    middle = np.array([x0 + rng.uniform(0.1, 0.9) * (x1 - x0), y0 + rng.uniform(0.3, 0.85) * (y1 - y0)])
    half = np.array([rng.uniform(0.15, 0.34) * (x1 - x0), rng.uniform(0.07, 0.16) * (y1 - y0)])
    turn = rng.normal(0, 0.3)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    square = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    tone = rng.uniform(40, 250, 3)
    _fill(picture, cover, middle + (square * half) @ spin.T, tone * 0.55)
    _fill(picture, cover, middle + (square * (half * 0.93)) @ spin.T, tone)
    for at in (-0.45, 0.0, 0.45)[: rng.integers(1, 4)]:
        line = square * half * [0.7, 0.09] + [0, at * half[1]]
        _fill(picture, cover, middle + line @ spin.T, 255 - tone)


def _crate(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "H W 3"],
    cover: UInt8[np.ndarray, "H W"],
    box: Float[np.ndarray, "4"],
) -> None:
    """A box with three visible faces."""
    x0, y0, x1, y1 = box.tolist()
    wide, tall = rng.uniform(0.4, 0.9) * (x1 - x0), rng.uniform(0.12, 0.3) * (y1 - y0)
    left, base = x0 + rng.uniform(-0.3, 0.7) * (x1 - x0), y1 + rng.uniform(-0.03, 0.1) * (y1 - y0)
    fold, lift, tone = rng.uniform(0.25, 0.75) * wide, 0.18 * tall, _pick(rng, (*_WOOD, "c19a6b", "c19a6b"))
    a, b, c = np.array([left, base - lift]), np.array([left + fold, base]), np.array([left + wide, base - lift])
    up = np.array([0.0, tall])
    back = a + c - b
    _fill(picture, cover, np.stack([a - up, b - up, b, a]), tone * 0.92)
    _fill(picture, cover, np.stack([b - up, c - up, c, b]), tone * 0.66)
    _fill(picture, cover, np.stack([a - up, b - up, c - up, back - up]), tone * 1.15)
    tape = np.array([0.08 * fold, 0])
    middle = (a + b) / 2
    _fill(
        picture,
        cover,
        np.stack([middle - up - tape, middle - up + tape, middle + tape, middle - tape]),
        tone * 1.05,
    )


def _leaves(
    rng: np.random.Generator,
    picture: UInt8[np.ndarray, "H W 3"],
    cover: UInt8[np.ndarray, "H W"],
    box: Float[np.ndarray, "4"],
) -> None:
    """A bush: leaves from dark ones at the back to bright ones in front."""
    x0, y0, x1, y1 = box.tolist()
    size = max(x1 - x0, 0.4 * (y1 - y0))
    middle = np.array([x0 + rng.uniform(0.0, 1.0) * (x1 - x0), y1 - rng.uniform(-0.03, 0.22) * (y1 - y0)])
    spread = np.array([rng.uniform(0.25, 0.5) * size, rng.uniform(0.2, 0.42) * size])
    tone = _pick(rng, _LEAF)
    count = 46
    places = middle + rng.normal(0, 0.5, (count, 2)) * spread
    turns, lengths = rng.uniform(0, 180, count), rng.uniform(0.035, 0.075, count) * size + 1.0
    for number, (place, turn, length) in enumerate(zip(places, turns, lengths, strict=True)):
        centre = (round(place[0] * 16), round(place[1] * 16))
        axes = (round(length * 16), round(length * 0.42 * 16))
        shade = np.clip(tone * (0.5 + 0.75 * number / count), 0, 255).tolist()
        cv2.ellipse(picture, centre, axes, turn, 0, 360, shade, -1, cv2.LINE_AA, 4)
        cv2.ellipse(cover, centre, axes, turn, 0, 360, 255, -1, cv2.LINE_AA, 4)
