"""Untrained one-stage networks and pictures for the tests of prediction."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.backbones.dense_base import DenseBackbone
from poserior.dense.heads import DenseHead
from poserior.dense.model import DenseModel
from poserior.dense.spec import DenseSpec
from poserior.skeletons import Skeleton

HANDS = Skeleton(
    "hands",
    ("left_hand", "right_hand", "nose", "left_foot", "right_foot"),
    ((0, 2), (1, 2)),
    (("left_hand", "right_hand"), ("left_foot", "right_foot")),
    (0.06, 0.06, 0.03, 0.09, 0.09),
)


class Tiny(DenseBackbone):
    """Two convolutions, nothing symmetric about them."""

    def __init__(self) -> None:
        super().__init__()
        self.out_channels, self.size_divisor = 6, 8
        self.first = nn.Conv2d(3, 6, 4, stride=4)
        self.second = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        return [self.second(self.first(images).relu())]


def small_model(head: DenseHead, skeleton: Skeleton | None = HANDS, refine: bool = False, categories: int = 1):
    """Every branch says something different in every cell, and half of the cells look like centres."""
    torch.manual_seed(3)
    points = 0 if skeleton is None else skeleton.num_keypoints
    model = DenseModel(Tiny(), head, categories, points, refine, channels=7).eval()
    for branches in model.stacks:
        for name, branch in branches.named_children():
            last = [module for module in branch.modules() if isinstance(module, nn.Conv2d)][-1]
            nn.init.normal_(last.weight, std=4.0 if name in ("centre", "keypoint_heat") else 1.0)
            with torch.no_grad():
                last.bias.add_(2.0 if name != "size" else 5.0)
    names = ("person", "ball", "kite", "dog")[:categories]
    spec = DenseSpec({"class_path": "Tiny"}, {"class_path": type(head).__name__}, names, skeleton, (40, 56), refine)
    return model, spec


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Coarse noise, so that cells differ."""
    coarse = np.random.default_rng(seed).integers(0, 255, (-(-height // 3), -(-width // 3), 3), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(3, 0).repeat(3, 1)[:height, :width])
