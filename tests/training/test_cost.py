import pytest
import torch
from torch import nn

from poserior import heads
from poserior.models import build_model
from poserior.training import Backbone
from poserior.training.cost import model_cost, step_seconds
from poserior.training.run import model_spec


def test_a_convolution_and_linear_layers_by_hand():
    backbone = nn.Conv2d(3, 4, 3, stride=2, padding=1)  # 4 x 3 outputs of 4 channels, each 3 x 3 x 3 products
    head = heads.Gaussian(4, 5)  # two layers of 4 x 10
    cost = model_cost(backbone, head, (8, 6))
    assert cost.backbone_flops == 4 * 3 * 4 * 27
    assert cost.head_flops == 2 * 4 * 10
    assert cost.backbone_parameters == 4 * 27 + 4
    assert cost.head_parameters == 2 * (4 * 10 + 10)


def test_a_flow_does_not_run_in_a_prediction():
    backbone = nn.Conv2d(3, 4, 3)
    flow, plain = (model_cost(backbone, head, (8, 6)) for head in (heads.RLE(4, 5), heads.Laplace(4, 5)))
    assert flow.head_flops == plain.head_flops
    # 12 networks of 2 -> 64 -> 64 -> 2, as the paper's 3 x 64
    assert flow.head_parameters - plain.head_parameters == 12 * (2 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2)


@pytest.mark.parametrize("bf16", [False, True])
def test_steps_are_timed_and_really_done(small, dots, bf16):
    models = {}
    for name, arguments in (("Laplace", {}), ("RLE", {"couplings": 6, "layers": 4, "neurons": 256})):
        config = small(head={"class_path": name, "init_args": arguments}, backbone=Backbone("test_resnet"))
        models[name] = build_model(model_spec(config, dots.skeleton))
    before = models["RLE"].head.law.flow.weights[0].detach().clone()
    seconds = step_seconds(models, (32, 24), 8, steps=3, bf16=bf16)
    assert step_seconds(models, (32, 24), 8, limit=0.0).keys() == seconds.keys()  # one round is timed anyway
    assert set(seconds) == {"Laplace", "RLE"}
    assert 0 < seconds["Laplace"] < seconds["RLE"] < 10
    assert not torch.equal(before, models["RLE"].head.law.flow.weights[0])
