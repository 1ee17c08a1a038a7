"""Runs of small untrained models, and the smallest configuration file that trains, on generated people."""

import shutil

import pytest
import torch

from poserior import skeletons
from poserior.models import ModelSpec, build_model, save_model

SMALL = """
head: {class_path: Laplace}
train_data: {class_path: Figures, init_args: {length: 8, picture_size: [48, 40], supersample: 1}}
val_data: {class_path: Figures, init_args: {length: 5, seed: 1, picture_size: [48, 40], supersample: 1}}
image_size: [32, 32]
backbone: {name: test_resnet}
optimiser: {lr: 0.002, warmup: 2, ema: 0.9}
budget: {epochs: 1}
loader: {batch_size: 4, workers: 0}
hardware: {accelerator: cpu}
"""


def _save(folder, skeleton):
    torch.manual_seed(0)
    spec = ModelSpec({"name": "test_resnet"}, {"class_path": "Laplace"}, skeletons.load(skeleton), (64, 48))
    save_model(build_model(spec), spec, folder)
    return folder


@pytest.fixture(scope="session")
def _runs(tmp_path_factory):
    return {name: _save(tmp_path_factory.mktemp(name), name) for name in ("lsp14", "coco17")}


@pytest.fixture
def run_folder(_runs, tmp_path_factory):
    """A run with 14 keypoints at 64 x 48, the test's own."""
    return shutil.copytree(_runs["lsp14"], tmp_path_factory.mktemp("copy") / "run")


@pytest.fixture
def run_folder_coco(_runs):
    """A run with 17 keypoints at 64 x 48."""
    return _runs["coco17"]


@pytest.fixture
def small_config(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path
