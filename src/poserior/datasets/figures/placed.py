"""A cut-out person at a place of a picture, behind those who stand there already."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from poserior.datasets.figures.cut_out import CutOut

_TRIES = 12
_LEAST_SEEN = 0.35
_HIGHEST = 0.35  # nobody's feet are above, as a share of the picture's height: rarely in the sky


@dataclass(frozen=True, eq=False)
class Placed:
    """A person in a picture; pixels are the picture's.

    Attributes:
        where: the rows and columns that `colour` covers.
        colour: ``(h, w, 4)`` RGB weighted by the coverage, and the coverage.
        keypoints: ``(17, 2)``, exact, also where outside.
        visibility: ``(17,)`` 2 seen, 1 in the picture but hidden, 0 outside.
        box_xyxy: about the pixels that show the person and the keypoints inside the picture.
        area: how many pixels show the person.
        height: of the whole person.
        facing: see `cut_out.facing`.
    """

    where: tuple[slice, slice]
    colour: UInt8[np.ndarray, "h w 4"]
    keypoints: Float[np.ndarray, "17 2"]
    visibility: Int[np.ndarray, "17"]
    box_xyxy: Float[np.ndarray, "4"]
    area: float
    height: float
    facing: float


def put(
    rng: np.random.Generator, person: CutOut, size: float, taken: Bool[np.ndarray, "H W"], truncation: float
) -> Placed | None:
    """A person at a random place where enough is seen; None if a dozen places have not enough.

    Args:
        rng: the source of chance.
        person: who.
        size: the greater of height over the picture's height and width over the picture's width.
        taken: where nearer people are.
        truncation: the probability that the person may stand partly outside.
    """
    sides = np.array(taken.shape[::-1])
    own = np.array(person.mask.shape[::-1])
    to = np.maximum(np.rint(own * (size / (own / sides).max())), 2).astype(int)
    way = cv2.INTER_AREA if (to <= own).all() else cv2.INTER_LINEAR
    mask = cv2.resize(person.mask, to.tolist(), interpolation=way) >= 128
    whole = int(np.count_nonzero(mask))
    if whole == 0:
        return None
    for _ in range(_TRIES):
        beyond = 0.4 * to if rng.random() < truncation else np.zeros(2)
        low, high = -beyond, np.maximum(sides - to + beyond, -beyond)
        low[1] = np.clip(_HIGHEST * sides[1] - to[1], low[1], high[1])
        corner = np.rint(rng.uniform(low, high)).astype(int)
        first, last = corner.clip(0, sides), (corner + to).clip(0, sides)
        where = (slice(first[1], last[1]), slice(first[0], last[0]))
        start, stop = first - corner, last - corner
        part = (slice(start[1], stop[1]), slice(start[0], stop[0]))
        seen = mask[part] & ~taken[where]
        area = int(np.count_nonzero(seen))
        if area >= max(_LEAST_SEEN * whole, 4):
            colour = cv2.resize(person.colour, to.tolist(), interpolation=way)
            points = person.keypoints * (to / own) + corner
            return _labelled(person, points, seen, where, np.asarray(colour[part], np.uint8), taken, float(_tall(mask)))
    return None


def _tall(mask: Bool[np.ndarray, "h w"]) -> int:
    rows = np.flatnonzero(mask.any(1))
    return int(rows[-1] - rows[0]) + 1


def _labelled(
    person: CutOut,
    points: Float[np.ndarray, "17 2"],
    seen: Bool[np.ndarray, "h w"],
    where: tuple[slice, slice],
    colour: UInt8[np.ndarray, "h w 4"],
    taken: Bool[np.ndarray, "H W"],
    height: float,
) -> Placed:
    sides = np.array(taken.shape[::-1])
    inside = ((points > 0) & (points < sides)).all(1)
    x, y = np.floor(points.clip(0, sides - 1)).astype(int).T
    visibility = np.where(inside, np.where(taken[y, x], 1, person.visibility), 0)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    corner = np.array([where[1].start, where[0].start])
    ends = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]) + corner
    every = np.concatenate([ends, points[inside]])
    box = np.concatenate([every.min(0), every.max(0)])
    area = float(np.count_nonzero(seen))
    return Placed(where, colour, points, visibility, box, area, height, person.facing)
