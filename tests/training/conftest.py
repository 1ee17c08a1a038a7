"""Tiny people: a picture with a coloured dot at each of three keypoints."""

import numpy as np
import pytest
import torch

from poserior.datasets import KeypointDataset
from poserior.skeletons import Skeleton
from poserior.structures import Sample
from poserior.training import Backbone, Budget, Config, Hardware, Loader, Optimiser

SKELETON = Skeleton("dots", ("left", "right", "top"), ((0, 2), (1, 2)), (("left", "right"),), (0.05, 0.05, 0.05))


class Dots(KeypointDataset):
    """`length` pictures of 40 x 36 pixels; a red, a green and a blue dot are the keypoints."""

    skeleton = SKELETON

    def __init__(self, length: int = 8, seed: int = 0, unlabelled: bool = False) -> None:
        self.length, self.seed, self.unlabelled = length, seed, unlabelled

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        image = np.full((40, 36, 3), 40, np.uint8)
        points = rng.uniform(8, 30, (3, 2)).astype(np.float32)
        for channel, (x, y) in enumerate(points):
            image[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3, channel] = 255
        visibility = torch.full((3,), 2)
        if self.unlabelled:
            visibility[index % 3] = 0
            points[index % 3] = 0
        return Sample(
            image=torch.from_numpy(image),
            keypoints=torch.from_numpy(points),
            visibility=visibility,
            box_xyxy=torch.tensor([2.0, 2.0, 34.0, 38.0]),
            area=500.0,
            skeleton=SKELETON,
            image_id=index,
            annotation_id=index + 1,
        )


@pytest.fixture
def dots():
    return Dots


@pytest.fixture
def small():
    """A complete configuration of the smallest run; keyword arguments replace whole parts of it."""

    def config(**parts) -> Config:
        defaults = {
            "head": {"class_path": "Laplace", "init_args": {}},
            "train_data": {"class_path": "Dots", "init_args": {}},
            "image_size": (32, 24),
            "backbone": Backbone("test_resnet"),
            "optimiser": Optimiser(lr=3e-3, warmup=2),
            "budget": Budget(epochs=2),
            "loader": Loader(batch_size=4, workers=0, augment=False),
            "hardware": Hardware(accelerator="cpu"),
            "tensorboard": False,
        }
        return Config(**{**defaults, **parts})

    return config
