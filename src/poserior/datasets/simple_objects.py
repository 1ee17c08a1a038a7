"""`SimpleObjects`: coloured shapes of very different sizes, for detection without people."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from poserior.datasets.drawn import DrawnScenes
from poserior.errors import InputError
from poserior.scenes import Scene

CATEGORIES = ("disc", "rectangle", "triangle", "star")
_STREAM = 0x73686170
_LEAST_SEEN = 0.3
_LEAST_INSIDE = 0.5
_FINE = 4  # binary digits after the point in OpenCV's coordinates


def _star() -> NDArray[np.float64]:
    turn = np.arange(10) * np.pi / 5
    points = np.stack([np.sin(turn), -np.cos(turn)], 1) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]
    low, high = points.min(0), points.max(0)
    return np.asarray((points - low) / (high - low) - 0.5)


_TURN = np.arange(48) * np.pi / 24
# Corners that touch all four sides of the square of side 1 about the origin.
_OUTLINES: tuple[NDArray[np.float64], ...] = (
    np.stack([np.cos(_TURN), np.sin(_TURN)], 1) / 2,
    np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
    np.array([[0.0, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
    _star(),
)


class SimpleObjects(DrawnScenes):
    """Discs, rectangles, triangles and stars of one colour each on a textured background, the later ones in front.

    Sizes (the root of width times height) and aspects are log-uniform, shapes stand upright, so that a box touches its
    shape on all four sides. Boxes are of the whole shape, also where others hide a part, cut to the picture. A
    shape of which less than half would be inside the picture or less than 30 % would be seen is not drawn. `area`
    counts the pixels that show the shape. Everything follows from (seed, index) alone.

    Args:
        length: how many pictures.
        seed: which.
        picture_size: the pictures' ``(H, W)``.
        count: the least and the greatest number of shapes that are tried; at least one is there.
        sizes: the least and the greatest size in pixels.
        aspects: the least and the greatest width over height.

    Raises:
        InputError: an argument is out of its range.

    >>> scene = SimpleObjects(length=3, seed=1)[2]
    >>> tuple(scene.image.shape), scene.categories
    ((128, 128, 3), ('disc', 'rectangle', 'triangle', 'star'))
    """

    def __init__(
        self,
        length: int = 10_000,
        seed: int = 0,
        picture_size: tuple[int, int] = (128, 128),
        count: tuple[int, int] = (1, 8),
        sizes: tuple[float | int, float | int] = (8, 96),
        aspects: tuple[float, float] = (0.5, 2.0),
    ) -> None:
        for name, value, least in (
            ("length", length, 0),
            ("seed", seed, 0),
            ("the shorter side", min(picture_size), 8),
        ):
            if value < least:
                raise InputError(f"expected {name} of SimpleObjects to be at least {least}, found {value}; correct it")
        if not 1 <= count[0] <= count[1]:
            raise InputError(
                f"expected count as (least, greatest) with 1 <= least <= greatest, found {count}; correct it"
            )
        if not 2 <= sizes[0] <= sizes[1] or not 0 < aspects[0] <= aspects[1]:
            raise InputError(
                "expected sizes as (least, greatest) of at least 2 pixels and aspects as (least, greatest) above 0,"
                f" found {sizes} and {aspects}; correct them"
            )
        super().__init__(length, seed, _STREAM)
        self.categories, self.skeleton = CATEGORIES, None
        self.picture_size, self.count = (picture_size[0], picture_size[1]), (count[0], count[1])
        self.sizes, self.aspects = (sizes[0], sizes[1]), (aspects[0], aspects[1])

    def drawn(self, position: int, rng: np.random.Generator) -> Scene:
        image = _background(rng, self.picture_size)
        mean = image.reshape(-1, 3).mean(0)
        taken = np.zeros(self.picture_size, np.bool_)
        boxes: list[NDArray[np.float64]] = []
        categories: list[int] = []
        areas: list[int] = []
        drawn: list[tuple[NDArray[np.bool_], NDArray[np.uint8]]] = []
        wanted = int(rng.integers(self.count[0], self.count[1] + 1))
        while wanted > 0 or not boxes:
            wanted -= 1
            box, category, outline = self._shape(rng)
            inside, seen = self._seen(box, outline, taken)
            if seen is None:
                continue
            boxes.append(inside)
            categories.append(category)
            areas.append(int(np.count_nonzero(seen)))
            drawn.append((seen, _colour(rng, mean)))
            taken |= seen
        for seen, colour in drawn:
            image[seen] = colour
        grain = rng.integers(-6, 7, image.shape, np.int16)
        image = (image + grain).clip(0, 255).astype(np.uint8)
        return Scene(
            image=torch.from_numpy(image),
            box_xyxy=torch.from_numpy(np.array(boxes, np.float32)),
            category=torch.tensor(categories),
            keypoints=torch.zeros(len(boxes), 0, 2),
            visibility=torch.zeros(len(boxes), 0, dtype=torch.int64),
            area=torch.tensor(areas, dtype=torch.float32),
            annotation_id=torch.arange(len(boxes)) + (position * 100 + 1),
            crowd_xyxy=torch.zeros(0, 4),
            categories=self.categories,
            skeleton=None,
            image_id=position,
            original_size=self.picture_size,
            source=f"SimpleObjects(seed={self.seed})[{position}]",
        )

    def _shape(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], int, NDArray[np.float64]]:
        """A box, a category, and the corners of its outline."""
        size = np.exp(rng.uniform(*np.log(self.sizes)))
        stretch = np.exp(rng.uniform(*np.log(self.aspects)) / 2)
        sides = np.array([size * stretch, size / stretch])
        centre = rng.uniform([0, 0], self.picture_size[::-1])
        category = int(rng.integers(len(CATEGORIES)))
        # OpenCV fills the outline's own pixels too, which makes every shape a pixel larger.
        return (
            np.concatenate([centre - sides / 2, centre + sides / 2]),
            category,
            centre + _OUTLINES[category] * (sides - 1),
        )

    def _seen(
        self, box: NDArray[np.float64], outline: NDArray[np.float64], taken: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """The box inside the picture, and the pixels that would show the shape; None if too few."""
        height, width = self.picture_size
        inside = box.clip(0, [width, height, width, height])
        whole, left = (box[2:] - box[:2]).prod(), (inside[2:] - inside[:2]).prod()
        mask = np.zeros(self.picture_size, np.uint8)
        # OpenCV counts from the first pixel's centre.
        corners = np.rint((outline - 0.5) * (1 << _FINE)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, cv2.LINE_8, _FINE)
        full = mask.view(np.bool_)
        seen = full & ~taken
        enough = np.count_nonzero(seen) >= max(_LEAST_SEEN * np.count_nonzero(full), 2)
        return inside, seen if enough and left >= _LEAST_INSIDE * whole else None


def _background(rng: np.random.Generator, picture_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Clouds of dull colour, coarse and fine."""
    height, width = picture_size
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((3, 70.0), (9, 40.0), (30, 25.0)):
        grid = rng.random((cells, cells, 3), np.float32) - np.float32(0.5)
        grid = grid * np.float32(0.5) + grid.mean(2, keepdims=True) * np.float32(0.5)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(2 * strength)
    return np.asarray((total + np.float32(rng.uniform(70, 180))).clip(0, 255), np.uint8)


def _colour(rng: np.random.Generator, mean: NDArray[np.float64]) -> NDArray[np.uint8]:
    """One that can be told from the background's mean."""
    while True:
        colour = rng.integers(0, 256, 3)
        if np.abs(colour - mean).sum() > 150:
            return colour.astype(np.uint8)
