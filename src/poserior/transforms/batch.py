"""Samples to a batch."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from poserior.geometry import normalise_points
from poserior.structures import Sample, Target


def collate(samples: Sequence[Sample]) -> tuple[UInt8[Tensor, "B 3 H W"], Target]:
    """Crops of one size to one batch: the pictures as they are (0..255), the answers crop-normalised.

    Raises:
        ValueError: no samples, uncropped samples, or crops of different sizes.
    """
    sizes = {tuple(sample.image.shape[:2]) for sample in samples}
    crops = [sample.crop for sample in samples if sample.crop is not None]
    if len(sizes) != 1 or len(crops) != len(samples):
        raise ValueError(
            f"expected crops of one size, found the sizes {sorted(sizes)} and {len(samples) - len(crops)} uncropped"
            " samples; apply TopDown first"
        )
    ((height, width),) = sizes
    visibility = torch.stack([sample.visibility for sample in samples])
    keypoints = normalise_points(torch.stack([sample.keypoints for sample in samples]), (height, width))
    head_sizes = [float("nan") if sample.head_size is None else sample.head_size for sample in samples]
    target = Target(
        keypoints=torch.where(visibility[..., None] > 0, keypoints, 0.0),
        visibility=visibility,
        area=torch.tensor([sample.area for sample in samples], dtype=torch.float32),
        box_xyxy=torch.stack([sample.box_xyxy for sample in samples]),
        crop=torch.stack(crops),
        image_id=tuple(sample.image_id for sample in samples),
        annotation_id=tuple(sample.annotation_id for sample in samples),
        head_size=torch.tensor(head_sizes, dtype=torch.float32),
    )
    return planes([sample.image.numpy() for sample in samples], (height, width)), target


def planes(crops: Sequence[NDArray[np.uint8]], image_size: tuple[int, int]) -> UInt8[Tensor, "B 3 H W"]:
    """Colours first, each crop written once into its place: in workers what `torch.stack` and `permute` do twice."""
    images = np.empty((len(crops), 3, *image_size), np.uint8)
    for planes, crop in zip(images, crops, strict=True):
        cv2.split(crop, list(planes))
    return torch.from_numpy(images)
