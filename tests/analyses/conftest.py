"""People whose keypoints can be read off the picture, and models whose answers are known."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from poserior.backbones import Backbone
from poserior.distributions import Gaussian
from poserior.heads import Head
from poserior.models import ModelSpec, Regressor
from poserior.skeletons import Skeleton
from poserior.structures import Sample

HANDS = Skeleton("hands", ("left", "right", "nose"), ((0, 1),), (("left", "right"),), (0.06, 0.06, 0.03))
HEIGHT, WIDTH = 40, 30
POINTS = torch.tensor([[8.0, 10.0], [22.0, 10.0], [15.0, 30.0]])


class Same(Dataset[Sample]):
    """People in white pictures, all alike but for what `change` does."""

    def __init__(self, count=4, change=None):
        self.count, self.change = count, change

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        values = {
            "image": torch.full((HEIGHT, WIDTH, 3), 255, dtype=torch.uint8),
            "keypoints": POINTS.clone(),
            "visibility": torch.tensor([2, 1, 2]),
            "box_xyxy": torch.tensor([0.0, 0.0, WIDTH, HEIGHT]),
            "area": 600.0,
            "skeleton": HANDS,
            "image_id": index,
            "annotation_id": index + 1,
        }
        if self.change is not None:
            values |= self.change(index)
        return Sample(**values)


class Pixels(Backbone):
    """The picture itself as features."""

    def __init__(self):
        nn.Module.__init__(self)
        self.out_channels, self.stride = 3, 1

    def forward(self, images):
        return images


class Known(Head):
    """Gaussians that a function of the picture (B, 3, H, W) gives: loc and scale, (B, 3, 2), crop-normalised."""

    def __init__(self, answer):
        super().__init__(3, 3, 2)
        self.answer, self.unused = answer, nn.Parameter(torch.zeros(1))

    def forward(self, features):
        loc, scale = self.answer(features)
        return Gaussian(loc, scale)


def normalised(points):
    return points / torch.tensor([WIDTH, HEIGHT]) - 0.5


@pytest.fixture
def known():
    def model(answer):
        return Regressor(Pixels(), Known(answer))

    spec = ModelSpec({"name": "none"}, {"class_path": "none"}, HANDS, (HEIGHT, WIDTH), 1.0)
    return SimpleNamespace(
        Same=Same, POINTS=POINTS, HEIGHT=HEIGHT, WIDTH=WIDTH, spec=spec, model=model, normalised=normalised, HANDS=HANDS
    )
