"""A small untrained run, and small pictures."""

import cv2
import numpy as np
import pytest
import torch

from poserior import skeletons
from poserior.models import ModelSpec, build_model, save_model


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """14 keypoints at 32 x 24."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    spec = ModelSpec({"name": "test_resnet"}, {"class_path": "Laplace"}, skeletons.load("lsp14"), (32, 24))
    save_model(build_model(spec), spec, folder)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder of 11 pictures of different sizes."""
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for n in range(11):
        cv2.imwrite(str(folder / f"{n:02d}.png"), rng.integers(0, 255, (20 + n, 30, 3), dtype=np.uint8))
    return folder
