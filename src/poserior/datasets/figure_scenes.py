"""`FigureScenes`: several synthetic people of very different sizes in one picture."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from poserior import skeletons
from poserior.datasets.drawn import DrawnScenes
from poserior.datasets.figures.background import paint_background
from poserior.datasets.figures.camera import sample_camera
from poserior.datasets.figures.cut_out import CutOut, cut_out
from poserior.datasets.figures.light import sample_light
from poserior.datasets.figures.placed import Placed, put
from poserior.datasets.figures.scene import develop
from poserior.errors import InputError
from poserior.scenes import Scene

_STREAM = 0x7363656E  # keeps the chance of scenes apart from that of the people in them
_ROOM: NDArray[np.float64] = np.array([[x, y, z] for x in (-1.5, 1.5) for y in (0.0, 1.8) for z in (-1.5, 1.5)])


class FigureScenes(DrawnScenes):
    """Synthetic people seen from any side, from far away to close by, in front of one background.

    Single figures (those of `Figures`) are painted once, cut out, and put into the pictures at random places, the
    small ones behind the large ones. A person's size, the greater of its height over the picture's and its width over
    the picture's, is log-uniform within `scales`; at most about two thirds of anybody are hidden, and where there is
    no room for that somebody stays away. Everything follows from (seed, index) alone.

    Boxes hold the pixels that show the person and the keypoints inside the picture; keypoints behind a nearer person,
    thing or the own body have visibility 1. `area` counts the pixels that show the person. Facts: ``facing``, the
    cosine between the chest's direction and the way to the camera (positive: the front is seen), and ``height``, of the
    whole person in pixels.

    Args:
        length: how many pictures.
        seed: which pictures, and which people.
        picture_size: the pictures' ``(H, W)``.
        people: the least and the greatest number of people in a picture.
        scales: the least and the greatest size.
        truncation: the probability that somebody may stand partly outside the picture.
        pool: how many different people there are; each is painted when first needed and kept in memory (some 60 kB
            each in pictures of 128 pixels).

    Raises:
        InputError: an argument is out of its range.

    >>> scene = FigureScenes(length=3, seed=1, people=(2, 2), pool=4)[0]
    >>> tuple(scene.image.shape), tuple(scene.keypoints.shape), sorted(scene.facts)
    ((128, 128, 3), (2, 17, 2), ['facing', 'height'])
    """

    def __init__(
        self,
        length: int = 10_000,
        seed: int = 0,
        picture_size: tuple[int, int] = (128, 128),
        people: tuple[int, int] = (1, 4),
        scales: tuple[float, float] = (0.1, 0.9),
        truncation: float = 0.15,
        pool: int = 2000,
    ) -> None:
        for name, value, least in (("length", length, 0), ("seed", seed, 0), ("pool", pool, 1)):
            if value < least:
                raise InputError(f"expected {name} of FigureScenes to be at least {least}, found {value}; correct it")
        if min(picture_size) < 32:
            raise InputError(f"expected pictures of at least 32 x 32 pixels, found {picture_size}; enlarge them")
        if not 1 <= people[0] <= people[1]:
            raise InputError(
                f"expected people as (least, greatest) with 1 <= least <= greatest, found {people}; correct it"
            )
        if not 0 < scales[0] <= scales[1] <= 2 or not 0 <= truncation <= 1:
            raise InputError(
                "expected scales as (least, greatest) above 0 and at most 2 and a truncation from 0 to 1, found"
                f" {scales} and {truncation}; correct them"
            )
        super().__init__(length, seed, _STREAM)
        self.skeleton, self.categories = skeletons.load("coco17"), ("person",)
        self.pool = pool
        self.picture_size, self.people = (picture_size[0], picture_size[1]), (people[0], people[1])
        self.scales, self.truncation = (scales[0], scales[1]), truncation
        # People fill four fifths of the square they are painted in: large enough never to be blown up much.
        self._side = max(64, round(1.25 * max(picture_size) * min(scales[1], 1.0)))
        self._painted: dict[int, CutOut] = {}

    def drawn(self, position: int, rng: np.random.Generator) -> Scene:
        image, seen = self._paint(rng)
        visibility = np.array([person.visibility for person in seen], np.int64).reshape(-1, 17)
        points = np.array([person.keypoints for person in seen], np.float32).reshape(-1, 17, 2)
        facts = {"facing": [person.facing for person in seen], "height": [person.height for person in seen]}
        return Scene(
            image=torch.from_numpy(image),
            box_xyxy=torch.from_numpy(np.array([person.box_xyxy for person in seen], np.float32).reshape(-1, 4)),
            category=torch.zeros(len(seen), dtype=torch.int64),
            keypoints=torch.from_numpy(np.where(visibility[..., None] > 0, points, np.float32(0))),
            visibility=torch.from_numpy(visibility),
            area=torch.tensor([person.area for person in seen], dtype=torch.float32),
            annotation_id=torch.arange(len(seen)) + (position * 100 + 1),
            crowd_xyxy=torch.zeros(0, 4),
            categories=self.categories,
            skeleton=self.skeleton,
            image_id=position,
            original_size=self.picture_size,
            source=f"FigureScenes(seed={self.seed})[{position}]",
            facts={name: torch.tensor(values, dtype=torch.float32) for name, values in facts.items()},
        )

    def _person(self, number: int) -> CutOut:
        if number not in self._painted:
            self._painted[number] = cut_out(self.seed, number, self._side)
        return self._painted[number]

    def _paint(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[Placed]]:
        count = int(rng.integers(self.people[0], self.people[1] + 1))
        low, high = np.log(self.scales)
        sizes = np.sort(np.exp(rng.uniform(low, high, count)))[::-1]  # the nearest first
        taken = np.zeros(self.picture_size, np.bool_)
        placed: list[Placed] = []
        for size, number in zip(sizes.tolist(), rng.integers(self.pool, size=count).tolist(), strict=True):
            person = put(rng, self._person(number), size, taken, self.truncation)
            if person is not None:
                placed.append(person)
                np.logical_or(taken[person.where], person.colour[..., 3] >= 128, out=taken[person.where])
        image = _background(rng, placed, self.picture_size)
        for person in reversed(placed):
            behind = image[person.where]
            behind *= np.float32(1) - person.colour[..., 3:] * np.float32(1 / 255)
            behind += person.colour[..., :3]
        return develop(rng, image.clip(0, 255).astype(np.uint8)), placed


def _background(rng: np.random.Generator, placed: list[Placed], picture_size: tuple[int, int]) -> NDArray[np.float32]:
    """``(H, W, 3)`` 0..255, with a soft shadow under everybody's feet."""
    shadow = np.zeros(picture_size, np.uint8)
    for person in placed:
        rows, columns = person.where
        middle, half = (columns.start + columns.stop) // 2, max(1, (columns.stop - columns.start) // 3)
        cv2.ellipse(shadow, (middle, rows.stop - 1), (half, max(1, half // 4)), 0, 0, 360, 200, cv2.FILLED)
    soft = cv2.blur(shadow, (5, 5)).astype(np.float32) * np.float32(1 / 255)
    camera = sample_camera(rng, _ROOM, picture_size, 0.0)
    planes = paint_background(rng, camera, picture_size, sample_light(rng), soft)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
