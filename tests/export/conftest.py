"""Small models of every kind, whose outputs vary from crop to crop as after training."""

import inspect

import jaxtyping
import pytest
import torch
from torch import nn

from poserior import calibration, heads, skeletons
from poserior.backbones import Backbone
from poserior.models import ModelSpec, Regressor, save_model

HANDS = skeletons.Skeleton(
    "hands", ("left_hand", "right_hand", "nose"), ((0, 1),), (("left_hand", "right_hand"),), (0.06, 0.06, 0.03)
)
SIZE, CHANNELS = (48, 40), 7
FLOW = {"couplings": 3, "layers": 2, "neurons": 8}
SMALL = {"num_deconvolutions": 1, "channels": 6}
# Head, its options, the model's other parts.
CASES = {
    "AuxiliaryHeatmapRLE": ("AuxiliaryHeatmapRLE", {**SMALL, **FLOW}, {}),
    "Bins": ("Bins", {"image_size": SIZE}, {}),
    "DLE": ("DLE", {"couplings": 3, "layers": 2, "neurons": 8}, {}),
    "Energy": ("Energy", {"width": 6, "cells": 12}, {}),
    "Fixed": ("Fixed", {}, {}),
    "FullGaussian": ("FullGaussian", {}, {}),
    "Gaussian": ("Gaussian", {}, {}),
    "Heatmap": ("Heatmap", {**SMALL, "decoding": "quarter"}, {}),
    "Heatmap-dark": ("Heatmap", {**SMALL, "decoding": "dark"}, {}),
    "Integral": ("Integral", SMALL, {}),
    "Laplace": ("Laplace", {}, {}),
    "Mixture": ("Mixture", {"components": 2}, {}),
    "Mixture-full": ("Mixture", {"components": 2, "covariance": "full"}, {}),
    "PoseMixture": ("PoseMixture", {"components": 3}, {}),
    "RLE": ("RLE", FLOW, {}),
    "RLE-joint": ("RLE", {**FLOW, "flows": "joint"}, {}),
    "SoftArgmaxRLE": ("SoftArgmaxRLE", FLOW, {}),
    "StudentT": ("StudentT", {}, {}),
    "area": ("RLE", FLOW, {"calibrator": calibration.ExpectedOks(CHANNELS, 3, area_per_box=0.4)}),
    "ccnet": ("Laplace", {}, {"calibrator": calibration.CCNet(CHANNELS, 3, inputs="features+density", hidden=5)}),
    "bare": ("Gaussian", {}, {"calibrator": None}),
    "scaled": ("FullGaussian", {}, {"recalibration": calibration.ScaleCalibration(3)}),
    "quantiles": ("Laplace", {}, {"recalibration": calibration.QuantileCalibration(3, knots=5)}),
    "flip": ("Gaussian", {}, {"flip_test": True}),
    "flip-pose": ("PoseMixture", {"components": 1}, {"flip_test": True}),
}


@pytest.fixture(autouse=True, scope="module")
def _unchecked_shapes():
    """The checks of annotated shapes compare sizes, which would tie a graph that is being followed to its batch."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


class Patches(Backbone):
    """One convolution for a backbone."""

    def __init__(self):
        nn.Module.__init__(self)
        self.out_channels, self.stride = CHANNELS, 8
        self.see = nn.Conv2d(3, CHANNELS, 8, 8)

    def forward(self, images):
        return self.see(images - 0.5).tanh()


def spec(name="RLE", **fields):
    return ModelSpec({"name": "none"}, {"class_path": name}, HANDS, SIZE, 1.25, 0.4, **fields)


@torch.no_grad()
def build(head, options, calibrator=None, recalibration=None, regions=None):
    torch.manual_seed(0)
    model = Regressor(Patches(), getattr(heads, head)(CHANNELS, 3, **options), calibrator, recalibration, regions)
    for name, parameter in model.named_parameters():
        if "linear.weight" in name or "maps.weight" in name or "calibrator" in name:
            parameter.normal_(0, 0.3)
        if "stem.0.weight" in name:  # fresh ones are all but zero
            parameter.normal_(0, 0.5)
        if "law.flow" in name:
            parameter.mul_(1.5)
        if "weigh.weight" in name:
            parameter.normal_(0, 0.5)
    if recalibration is not None:
        recalibration.factors.copy_(torch.tensor([1.3, 0.7, 1.1]))
    if isinstance(recalibration, calibration.QuantileCalibration):
        recalibration.mass.copy_(recalibration.levels**0.8)
    return model.eval()


@pytest.fixture(params=CASES)
def case(request):
    head, options, parts = CASES[request.param]
    parts = {"calibrator": calibration.ExpectedOks(CHANNELS, 3), **parts}
    flip_test = parts.pop("flip_test", False)
    return build(head, options, **parts), spec(head), flip_test


@pytest.fixture
def small():
    """A function from a head's name and options to a model and its description."""
    return lambda head="Gaussian", options=None, **parts: (build(head, options or {}, **parts), spec(head))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    from poserior.models import build_model

    torch.manual_seed(0)
    described = ModelSpec({"name": "test_resnet", "zero_init_last": False}, {"class_path": "Gaussian"}, HANDS, SIZE)
    model = build_model(described)
    folder = tmp_path_factory.mktemp("run")
    save_model(model, described, folder)
    return folder


@pytest.fixture
def walked():
    public = {name for name, head in inspect.getmembers(heads, inspect.isclass) if not inspect.isabstract(head)}
    return public, {head for head, _, _ in CASES.values()}
