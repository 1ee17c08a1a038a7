"""Small batches of scenes, and a backbone that costs nothing."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from poserior.backbones.dense_base import DenseBackbone
from poserior.scenes import SceneBatch


def _scene_batch(
    keypoints: Tensor,
    visibility: Tensor | None = None,
    area: Tensor | None = None,
    box_xyxy: Tensor | None = None,
    crowd_xyxy: Tensor | None = None,
    present: Tensor | None = None,
    affine: Tensor | None = None,
    size: tuple[int, int] = (48, 64),
) -> SceneBatch:
    """People ``(B, N, K, 2)`` in pictures of a size."""
    count, people = keypoints.shape[:2]
    if box_xyxy is None:
        box_xyxy = torch.cat([keypoints.amin(2), keypoints.amax(2)], -1)
    return SceneBatch(
        images=torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8),
        box_xyxy=box_xyxy,
        category=torch.zeros(count, people, dtype=torch.int64),
        keypoints=keypoints,
        visibility=torch.full(keypoints.shape[:3], 2) if visibility is None else visibility,
        area=torch.full((count, people), 200.0) if area is None else area,
        annotation_id=torch.arange(count * people).reshape(count, people),
        present=torch.ones(count, people, dtype=torch.bool) if present is None else present,
        crowd_xyxy=torch.zeros(count, 0, 4) if crowd_xyxy is None else crowd_xyxy,
        affine=torch.eye(2, 3, dtype=torch.float64).expand(count, 2, 3) if affine is None else affine,
        image_id=tuple(range(count)),
        original_size=(size,) * count,
    )


class _Tiny(DenseBackbone):
    """One convolution."""

    def __init__(self, channels: int = 8, stride: int = 4, stacks: int = 1) -> None:
        super().__init__()
        self.out_channels, self.stride, self.size_divisor, self.stacks = channels, stride, stride, stacks
        self.convolution = nn.Conv2d(3, channels, stride, stride)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.convolution(images).relu()] * self.stacks


@pytest.fixture
def scene_batch() -> Callable[..., SceneBatch]:
    """`_scene_batch`."""
    return _scene_batch


@pytest.fixture
def tiny() -> type[DenseBackbone]:
    """`_Tiny`."""
    return _Tiny
