"""Which predictor is loaded, and that a file needs no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import poserior
from poserior.errors import InputError
from poserior.portable import OnnxPredictor

WITHOUT = """
import json, sys
from importlib.abc import MetaPathFinder

ALLOWED = {"numpy", "cv2", "onnxruntime", "yaml", "jsonargparse", "tqdm", "jaxtyping", "poserior"}
HEAVY = {"torch", "torchvision", "timm", "lightning", "torchmetrics", "safetensors", "scipy", "sklearn", "matplotlib",
         "pycocotools", "onnx", "onnxscript", "huggingface_hub", "jinja2", "transformers"}

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Refuse())
"""


def alone(code, *arguments):
    """Run code in a process that has nothing but what requirements-onnx.txt installs."""
    source = str(Path(poserior.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
        timeout=120,
    )


def test_a_file_is_loaded_and_predicts_without_torch(tiny):
    path = tiny()
    code = """
import cv2
import numpy as np
import poserior
predictor = poserior.load(sys.argv[1], threads=1, batch_size=2)
((person,),) = predictor([np.full((90, 200, 3), 51, np.uint8)], [[[100.0, 40.0, 130.0, 60.0]]])
print(json.dumps(person.to_dict()))
try:
    poserior.load(sys.argv[2])
except ValueError as error:
    print(error)
print(sorted(HEAVY & set(sys.modules)))
"""
    done = alone(code, path, path.parent)
    assert done.returncode == 0, done.stderr
    told, refusal, loaded = done.stdout.splitlines()
    ((person,),) = OnnxPredictor(path, threads=1)([np.full((90, 200, 3), 51, np.uint8)], [[[100.0, 40.0, 130.0, 60.0]]])
    assert json.loads(told) == person.to_dict()
    assert "expected an exported .onnx file where torch is not installed" in refusal
    assert loaded == "[]"


def test_the_suffix_chooses(tiny, tmp_path):
    path = tiny()
    assert isinstance(poserior.load(str(path), threads=1), OnnxPredictor)
    assert isinstance(poserior.load([path], threads=1, device="cpu"), OnnxPredictor)
    with pytest.raises(InputError, match=r"expected one \.onnx file, found it among 2 models"):
        poserior.load([path, path])
    with pytest.raises(InputError, match=r"run folder with model\.yaml"):
        poserior.load(tmp_path)


def test_options_that_do_not_go_with_the_model_are_refused(tiny, tmp_path):
    path = tiny()
    with pytest.raises(InputError, match=r"exported with the flip test, found .* exported without it"):
        poserior.load(path, flip_test=True)
    assert poserior.load(path, flip_test=False, threads=1).flip_test is False
    assert poserior.load(tiny({"flip_test": True}), flip_test=True, threads=1).flip_test is True
    with pytest.raises(InputError, match=r"device cpu or cuda for an \.onnx file"):
        poserior.load(path, device="mps")
    with pytest.raises(InputError, match=r"threads and engine with an \.onnx file, found them with a run"):
        poserior.load(tmp_path, threads=2)


def test_predict_on_the_command_line_needs_no_torch(tiny, tmp_path):
    path = tiny()
    picture = np.full((90, 200, 3), 51, np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    code = """
from poserior.cli import main
words = ["predict", sys.argv[1], "--run", sys.argv[2], "--output", sys.argv[3]]
code = main(words)
assert not HEAVY & set(sys.modules), HEAVY & set(sys.modules)
sys.exit(code)
"""
    done = alone(code, tmp_path / "a.png", path, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    ((person,),) = OnnxPredictor(path, threads=1)([picture], image_ids=["a.png"])
    (entry,) = json.loads((tmp_path / "out" / "results.json").read_text())
    assert entry == person.to_coco()
