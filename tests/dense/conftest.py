"""Tiny scenes: squares whose colour is their category, or squares with a keypoint on each of three corners."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from poserior.datasets import SceneDataset
from poserior.dense.config import DenseConfig
from poserior.scenes import Scene
from poserior.skeletons import Skeleton
from poserior.training import Budget, Hardware, Loader, Optimiser

CORNERS = Skeleton("corners", ("left", "right", "low"), ((0, 1), (0, 2)), (("left", "right"),), (0.1, 0.1, 0.12))


class Squares(SceneDataset):
    """`length` pictures of 64 x 96 pixels with 0 to 2 squares; half of the pictures have none if `empty`."""

    categories = ("red", "green")
    skeleton = None

    def __init__(self, length: int = 4, seed: int = 0, empty: bool = False) -> None:
        self.length, self.seed, self.empty = length, seed, empty

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Scene:
        rng = np.random.default_rng((self.seed, index))
        image = np.full((64, 96, 3), 30, np.uint8)
        count = 0 if self.empty else 1 + index % 2
        boxes = np.zeros((count, 4), np.float32)
        for n in range(count):
            side = int(rng.integers(12, 29))
            x, y = int(rng.integers(2, 44 - side)) + 48 * n, int(rng.integers(2, 62 - side))
            boxes[n] = x, y, x + side, y + side
            image[y : y + side, x : x + side, n] = 255
        return Scene(
            image=torch.from_numpy(image),
            box_xyxy=torch.from_numpy(boxes),
            category=torch.arange(count),
            keypoints=torch.zeros(count, 0, 2),
            visibility=torch.zeros(count, 0, dtype=torch.int64),
            area=torch.from_numpy((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])),
            annotation_id=torch.arange(count) + 10 * index + 1,
            crowd_xyxy=torch.zeros(0, 4),
            categories=self.categories,
            skeleton=self.skeleton,
            image_id=index,
            original_size=(64, 96),
        )


class Corners(Squares):
    """The same, of one category, with keypoints on the corners; of the second square one is not labelled."""

    categories = ("square",)
    skeleton = CORNERS

    def __getitem__(self, index: int) -> Scene:
        scene = super().__getitem__(index)
        box = scene.box_xyxy
        visibility = torch.full((len(box), 3), 2)
        visibility[1:, 1] = 0
        keypoints = torch.stack([box[:, :2], box[:, [2, 1]], box[:, [0, 3]]], 1)
        category = torch.zeros(len(box), dtype=torch.int64)
        return replace(scene, category=category, keypoints=keypoints, visibility=visibility)


@pytest.fixture
def squares():
    return Squares


@pytest.fixture
def corners():
    return Corners


@pytest.fixture
def small():
    """A complete configuration of the smallest run; keyword arguments replace whole parts of it."""

    def config(**parts) -> DenseConfig:
        defaults = {
            "head": {"class_path": "DenseMixture", "init_args": {"components": 2, "channels": 8}},
            "backbone": {"class_path": "Upsampled", "init_args": {"name": "test_resnet", "channels": 12}},
            "train_data": {"class_path": "Squares", "init_args": {}},
            "image_size": (64, 96),
            "channels": 8,
            "max_objects": 5,
            "optimiser": Optimiser(lr=3e-3, warmup=2),
            "budget": Budget(epochs=2),
            "loader": Loader(batch_size=2, workers=0, augment=False),
            "hardware": Hardware(accelerator="cpu"),
            "tensorboard": False,
        }
        return DenseConfig(**{**defaults, **parts})

    return config
