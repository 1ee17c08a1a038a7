"""Labelled people of one picture, as torchvision's detectors want them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from poserior.errors import InputError
from poserior.structures import Sample


def detection_targets(people: Sequence[Sample]) -> tuple[Tensor, dict[str, Tensor]]:
    """One picture and its people (``Figures.scene(i)``, or a data set's samples of one ``image_id``).

    Returns:
        The picture, ``(3, H, W)`` float32 in [0, 1], and ``{"boxes": (N, 4) corners, "labels": (N,) ones,
        "keypoints": (N, K, 3)}``, pixels and COCO's visibility 0/1/2.

    Raises:
        InputError: nobody, or people of several pictures, or boxes without an area.
    """
    if not people or len({sample.image_id for sample in people}) != 1:
        found = "nobody" if not people else f"those of {len({sample.image_id for sample in people})} pictures"
        raise InputError(f"expected the people of one picture, found {found}; group the samples by image_id")
    boxes = torch.stack([sample.box_xyxy for sample in people]).float()
    if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        raise InputError(f"expected boxes with an area in {people[0].source or people[0].image_id}, found one without")
    keypoints = torch.stack([sample.keypoints for sample in people]).float()
    visibility = torch.stack([sample.visibility for sample in people]).float()
    return people[0].image.permute(2, 0, 1).float() / 255, {
        "boxes": boxes,
        "labels": torch.ones(len(people), dtype=torch.int64),
        "keypoints": torch.cat([keypoints, visibility[..., None]], -1),
    }
