"""The top-down transform: from one person in a picture to a crop of fixed size."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from poserior.crops import crop_affine
from poserior.structures import Sample
from poserior.transforms.augment import Augment
from poserior.transforms.colour import jitter
from poserior.transforms.half_body import half_body_box
from poserior.transforms.occlusion import occlude
from poserior.transforms.warp import warp


class TopDown:
    """Cut a person out: all geometry is one affine map, the picture is resampled once.

    The result's `image`, `keypoints` and `visibility` are the crop's, `crop` is the map, and `flipped` says whether
    left and right were exchanged. `box_xyxy`, `area`, `head_size`, `joints_3d`, `true_keypoints` and `label_law` stay
    as they are: in the original picture (or camera) and in the skeleton's own order.

    Args:
        image_size: the crop's ``(H, W)``.
        box_padding: how much larger than the box the crop is.
        augment: random changes; None for the same crop every time, as in tests.
        drop_outside: set the visibility of keypoints outside of the crop to 0. By default they are kept: a density
            may well say that a wrist lies beyond the edge.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        box_padding: float = 1.25,
        augment: Augment | None = None,
        drop_outside: bool = False,
    ) -> None:
        self.image_size, self.box_padding = (image_size[0], image_size[1]), box_padding
        self.augment, self.drop_outside = augment, drop_outside

    def __call__(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """The crop of one person.

        Args:
            sample: a person in a whole picture.
            rng: what random changes are drawn from; needed exactly if there is an `augment`.

        Raises:
            ValueError: random changes without `rng`, or a sample that is a crop already.
            InputError: the box is empty.
        """
        if sample.crop is not None:
            raise ValueError(f"expected a person in a whole picture, found a crop already ({sample.source})")
        if self.augment is None:
            affine, flip = crop_affine(sample.box_xyxy.tolist(), self.image_size, self.box_padding), False
        elif rng is None:
            raise ValueError("expected a random generator (rng) for a transform with an augment, found None")
        else:
            affine, flip = self._draw_geometry(sample, self.augment, rng)
        # NumPy throughout: a dozen small tensor operations would take as long as the warp.
        image = warp(sample.image.numpy(), affine, self.image_size)
        given = sample.keypoints.numpy()
        with np.errstate(invalid="ignore"):  # an infinite label is told by the training loop, with the person's name
            keypoints = given[:, :1] * affine[:, 0] + given[:, 1:] * affine[:, 1] + affine[:, 2]  # in float64
        visibility = sample.visibility.numpy()
        if flip:
            order = list(sample.skeleton.flip_indices)
            keypoints, visibility = keypoints[order], visibility[order]
        if self.augment is not None and rng is not None:
            image, visibility = _draw_pixels(image, keypoints, visibility, self.augment, rng)
        if self.drop_outside:
            inside = ((keypoints >= 0) & (keypoints <= self.image_size[::-1])).all(-1)
            visibility = np.where(inside, visibility, 0)
        keypoints = np.where(visibility[:, None] > 0, keypoints, 0.0).astype(given.dtype)
        return replace(
            sample,
            image=torch.from_numpy(image),
            keypoints=torch.from_numpy(keypoints),
            visibility=torch.from_numpy(visibility),
            crop=torch.from_numpy(affine),
            flipped=flip,
        )

    def _draw_geometry(
        self, sample: Sample, augment: Augment, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], bool]:
        box: Sequence[float] = sample.box_xyxy.tolist()
        if rng.random() < augment.half_body:
            box = half_body_box(sample.keypoints.numpy(), sample.visibility.numpy(), box, sample.skeleton, rng)
        x0, y0, x1, y1 = box
        shift_x, shift_y = rng.uniform(-augment.shift, augment.shift, 2).tolist()
        shift_x, shift_y = shift_x * (x1 - x0), shift_y * (y1 - y0)
        turned = rng.random() < augment.rotation_probability
        crop = crop_affine(
            (x0 + shift_x, y0 + shift_y, x1 + shift_x, y1 + shift_y),
            self.image_size,
            self.box_padding,
            zoom=rng.uniform(1 - augment.scale, 1 + augment.scale),
            rotation=rng.uniform(-augment.rotation, augment.rotation) if turned else 0.0,
            flip=bool(flip := rng.random() < augment.flip),
        )
        return crop, bool(flip)


def _draw_pixels(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.float64],
    visibility: NDArray[np.int64],
    augment: Augment,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if augment.colour:
        image = jitter(image, augment.colour, rng)
    if augment.occlusion_size and rng.random() < augment.occlusion:
        image, (x0, y0, x1, y1) = occlude(image, augment.occlusion_size, rng)
        x, y = keypoints.T
        hidden = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        visibility = np.where(hidden, visibility.clip(max=1), visibility)
    return image, visibility
