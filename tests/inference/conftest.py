"""Models whose answers are known, for the tests of this folder."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from poserior import skeletons
from poserior.backbones import Backbone
from poserior.distributions import Gaussian
from poserior.heads import Head
from poserior.models import ModelSpec, Regressor

HANDS = skeletons.Skeleton(
    "hands", ("left_hand", "right_hand", "nose"), ((0, 1),), (("left_hand", "right_hand"),), (0.06, 0.06, 0.03)
)
SIZE = (64, 48)


class Pixels(Backbone):
    """The picture itself as features."""

    def __init__(self):
        nn.Module.__init__(self)
        self.out_channels, self.stride = 3, 1

    def forward(self, images):
        return images


class Planted(Head):
    """The same Gaussians for every picture."""

    def __init__(self, loc, scale):
        super().__init__(3, len(loc), 2)
        self.loc, self.scale = nn.Parameter(torch.tensor(loc)), nn.Parameter(torch.tensor(scale))

    def forward(self, features):
        shape = (len(features), *self.loc.shape)
        return Gaussian(self.loc.expand(shape), self.scale.expand(shape))


class Centroids(Head):
    """Each keypoint at the centre of gravity of one colour."""

    def __init__(self, scale=0.05):
        super().__init__(3, 3, 2)
        self.scale = nn.Parameter(torch.tensor([scale, 2 * scale]))

    def forward(self, features):
        height, width = features.shape[-2:]
        y = (torch.arange(height) + 0.5) / height - 0.5
        x = (torch.arange(width) + 0.5) / width - 0.5
        mass = features / features.sum((2, 3), keepdim=True)
        loc = torch.stack([(mass.sum(2) * x).sum(-1), (mass.sum(3) * y).sum(-1)], -1)
        return Gaussian(loc, self.scale.expand_as(loc))


def spec(skeleton=HANDS):
    return ModelSpec({"name": "none"}, {"class_path": "none"}, skeleton, SIZE, 1.25)


def model(head, calibrator=None):
    return Regressor(Pixels(), head, calibrator).eval()


@pytest.fixture
def planted():
    return SimpleNamespace(HANDS=HANDS, SIZE=SIZE, Planted=Planted, Centroids=Centroids, spec=spec, model=model)
