"""Whole pictures with all their objects: resized, cut at random, mirrored."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from poserior.crops import crop_affine
from poserior.errors import InputError
from poserior.scenes import Scene
from poserior.transforms.colour import jitter
from poserior.transforms.warp import warp


@dataclass(frozen=True)
class SceneAugment:
    """Random changes of a whole picture: a window of random size and place, mirrored or not, in other colours.

    The defaults are CenterNet's for COCO, with hue changed too.

    Attributes:
        scale: least and greatest size of the window, uniform; 1 is the smallest that holds the whole picture, less
            shows the objects larger.
        shift: the window's centre moves by at most this fraction of the picture's sides from the middle, uniform.
        rotation: at most so many degrees, either way, uniform. A turned object's box is the one about its turned
            corners, hence not tight.
        flip: probability of mirroring (left and right keypoints are exchanged).
        colour: strength of brightness, contrast, saturation and hue changes; 0.2 changes each by at most a fifth.

    Raises:
        InputError: a number is out of its range.
    """

    scale: tuple[float, float] = (0.6, 1.4)
    shift: float = 0.3
    rotation: float = 0.0
    flip: float = 0.5
    colour: float = 0.2

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high <= 100:
            raise InputError(f"expected scale as (least, greatest) above 0 and at most 100, found {self.scale}")
        for name, limit in (("shift", 0.5), ("rotation", 180.0), ("flip", 1.0), ("colour", 1.0)):
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise InputError(f"expected {name} of SceneAugment from 0 to {limit:g}, found {value}; correct it")


class SceneTransform:
    """All geometry is one affine map, the picture is resampled once.

    Without `augment` the whole picture is shown, its aspect kept, black bars on two sides. With it a random window is.
    Boxes are cut to the picture shown. An object counts while its box's centre (as it was before that cut) is shown
    and its box has an extent; of others whatever is still in sight is passed on as crowd: neither to be learnt nor to
    be held against anybody. Keypoints outside have visibility 0. `area` and `original_size` stay the original's,
    `affine` is the whole way from the original picture.

    Args:
        image_size: ``(H, W)`` of the result; None keeps the picture's pixels as they are and only fills it up with
            black, evenly on both sides, to multiples of `multiple`.
        augment: random changes; None for the same result every time, as in tests.
        multiple: see `image_size`.

    Raises:
        InputError: a size is not positive, or random changes without `image_size`.
    """

    def __init__(
        self, image_size: tuple[int, int] | None, augment: SceneAugment | None = None, multiple: int = 32
    ) -> None:
        if multiple < 1 or (image_size is not None and min(image_size) < 1):
            raise InputError(f"expected a positive picture size, found {image_size} (multiple {multiple}); correct it")
        if image_size is None and augment is not None:
            raise InputError("expected an image_size for random changes, found None; give (H, W)")
        self.image_size = None if image_size is None else (image_size[0], image_size[1])
        self.augment, self.multiple = augment, multiple

    def __call__(self, scene: Scene, rng: np.random.Generator | None = None) -> Scene:
        """The picture as the network is to see it.

        Args:
            scene: a picture with its objects, transformed before or not.
            rng: what random changes are drawn from; needed exactly if there is an `augment`.

        Raises:
            ValueError: random changes without `rng`.
        """
        given = scene.image.numpy()
        if self.image_size is None:
            image, affine = _filled(given, self.multiple)
            return _moved(scene, image, affine, flip=False)
        if self.augment is None:
            affine, flip = window(given.shape[:2], self.image_size), False
        elif rng is None:
            raise ValueError("expected a random generator (rng) for a transform with an augment, found None")
        else:
            affine, flip = _draw(given.shape[:2], self.image_size, self.augment, rng)
        image = warp(given, affine, self.image_size)
        if self.augment is not None and self.augment.colour and rng is not None:
            image = jitter(image, self.augment.colour, rng)
        return _moved(scene, image, affine, flip)


def window(
    picture_size: tuple[int, ...],
    image_size: tuple[int, int],
    scale: float = 1.0,
    shift: tuple[float, float] = (0.0, 0.0),
    rotation: float = 0.0,
    flip: bool = False,
) -> NDArray[np.float64]:
    """The map ``(2, 3)`` from a picture to what a window shows of it, `scale` times as large as holds it all.

    >>> window((10, 20), (40, 40)).tolist()
    [[2.0, 0.0, 0.0], [0.0, 2.0, 10.0]]
    """
    height, width = picture_size
    x, y = shift[0] * width, shift[1] * height
    box = (x, y, x + width, y + height)
    return crop_affine(box, image_size, 1.0, 1 / scale, rotation, flip) + 0.0  # + 0.0: no negative zeros


def _draw(
    picture_size: tuple[int, ...], image_size: tuple[int, int], augment: SceneAugment, rng: np.random.Generator
) -> tuple[NDArray[np.float64], bool]:
    scale = rng.uniform(*augment.scale)
    x, y = rng.uniform(-augment.shift, augment.shift, 2).tolist()
    rotation = rng.uniform(-augment.rotation, augment.rotation)
    flip = bool(rng.random() < augment.flip)
    return window(picture_size, image_size, scale, (x, y), rotation, flip), flip


def _filled(image: NDArray[np.uint8], multiple: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    height, width = image.shape[:2]
    sides = [math.ceil(side / multiple) * multiple for side in (height, width)]
    top, left = (sides[0] - height) // 2, (sides[1] - width) // 2
    filled = np.zeros((*sides, 3), np.uint8)
    filled[top : top + height, left : left + width] = image
    return filled, np.array([[1.0, 0.0, left], [0.0, 1.0, top]])


def _moved(scene: Scene, image: NDArray[np.uint8], affine: NDArray[np.float64], flip: bool) -> Scene:
    """The scene with everything where the map puts it. NumPy throughout: its small operations are the cheaper ones."""
    height, width = image.shape[:2]
    whole = _boxes(scene.box_xyxy.numpy(), affine)
    sides = np.array([width, height, width, height], np.float64)
    box = whole.clip(0, sides)
    extent = (box[:, 2:] > box[:, :2]).all(1)
    centre = (whole[:, :2] + whole[:, 2:]) / 2
    keep = extent & ((centre >= 0) & (centre <= sides[:2])).all(1)
    crowd = _boxes(scene.crowd_xyxy.numpy(), affine).clip(0, sides)
    crowd = np.concatenate([crowd[(crowd[:, 2:] > crowd[:, :2]).all(1)], box[extent & ~keep]])

    points, visibility = scene.keypoints.numpy()[keep], scene.visibility.numpy()[keep]
    points = points[..., :1] * affine[:, 0] + points[..., 1:] * affine[:, 1] + affine[:, 2]
    if flip and scene.skeleton is not None:
        order = list(scene.skeleton.flip_indices)
        points, visibility = points[:, order], visibility[:, order]
    inside = ((points >= 0) & (points <= sides[:2])).all(-1)
    visibility = np.where(inside, visibility, 0)
    points = np.where(visibility[..., None] > 0, points, 0.0)

    kept = torch.from_numpy(keep)
    return replace(
        scene,
        image=torch.from_numpy(image),
        box_xyxy=torch.from_numpy(box[keep].astype(np.float32)),
        category=scene.category[kept],
        keypoints=torch.from_numpy(points.astype(np.float32)),
        visibility=torch.from_numpy(visibility),
        area=scene.area[kept],
        annotation_id=scene.annotation_id[kept],
        crowd_xyxy=torch.from_numpy(crowd.astype(np.float32)),
        affine=torch.from_numpy(affine if scene.affine is None else _after(affine, scene.affine.numpy())),
        facts={name: values[kept] for name, values in scene.facts.items()},
    )


def _boxes(box_xyxy: NDArray[np.float32], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The boxes about the mapped boxes ``(N, 4)``."""
    corners = box_xyxy.astype(np.float64)[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2)
    corners = corners @ affine[:, :2].T + affine[:, 2]
    return np.concatenate([corners.min(1), corners.max(1)], 1)


def _after(second: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.float64]:
    composed = second[:, :2] @ first
    composed[:, 2] += second[:, 2]
    return composed
