"""The page's own program finds what the library finds."""

import re
from pathlib import Path

import cv2
import numpy as np
import torch

from poserior.export import export_onnx
from poserior.inference import load

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_program_without_the_library(run_folder, tmp_path, monkeypatch):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    small = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    picture = cv2.resize(small, (37, 46), interpolation=cv2.INTER_CUBIC)  # no larger than the crop: nothing is smoothed
    cv2.imwrite(str(tmp_path / "picture.png"), picture)
    export_onnx(run_folder, tmp_path / "mine.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(program.replace("picture.jpg", "picture.png"), "export.md", "exec"), names)
    ((person,),) = load(run_folder, flip_test=False)([picture[..., ::-1].copy()])
    # The two warps round differently, by one of 255 shades here and there.
    np.testing.assert_allclose(names["points"], person.keypoints, atol=0.05)
    np.testing.assert_allclose(names["spread"], person.covariance, rtol=0.01, atol=1e-3)
    np.testing.assert_allclose(names["confidence"][0], person.confidence, atol=1e-3)
    assert isinstance(person.keypoints, torch.Tensor)
