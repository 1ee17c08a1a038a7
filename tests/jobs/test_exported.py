import json
import subprocess
import sys

import pytest

from poserior.cli import main
from poserior.export import export_onnx

WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "timm", "lightning"):
    sys.modules[name] = None  # importing it fails
from poserior.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_exported_model_predicts_the_same_without_torch(run_folder, pictures, tmp_path):
    export_onnx(run_folder, tmp_path / "model.onnx", flip_test=True)
    words = ["predict", str(pictures), "--part-size", "4", "--oks-nms", "0.9", "--output"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words, str(tmp_path / "file"), "--run", str(tmp_path / "model.onnx")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "file" / "overlays").iterdir())) == 11
    assert main([*words, str(tmp_path / "run"), "--run", str(run_folder), "--no-overlays", "--device", "cpu"]) == 0
    found, expected = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("file", "run"))
    assert [entry["image_id"] for entry in found] == [entry["image_id"] for entry in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["keypoints"] == pytest.approx(other["keypoints"], abs=2e-3)
        assert one["score"] == pytest.approx(other["score"], abs=1e-3)
