"""Every published configuration, trained for two steps on generated people in its data's own format."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from scipy.io import savemat

from poserior import heads
from poserior.backbones import Backbone
from poserior.cli import main
from poserior.models import load_model

CONFIGS = {path.stem: path for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))}
READ = {name: yaml.safe_load(path.read_text(encoding="utf-8")) for name, path in CONFIGS.items()}
CONTENT = {
    name: read for name, read in READ.items() if read.get("model") != "dense"
}  # tests/cli/test_dense.py has those
READY = [name for name, content in CONTENT.items() if content["head"]["class_path"] in heads.__all__]
BACKBONES = sorted({yaml.safe_dump([content["backbone"], content["image_size"]]) for content in CONTENT.values()})


@pytest.fixture
def people(request, tmp_path):
    """A function from a data set's name to the options that put a small generated one in its place."""

    def options(name: str) -> list[str]:
        if name == "CocoKeypoints":
            fake = request.getfixturevalue("fake_coco")
            values = {"annotations": fake.annotations, "images": fake.images}
        elif name == "Mpii":
            annotations, images = request.getfixturevalue("fake_mpii")()
            savemat(tmp_path / "heads.mat", {"headboxes_src": np.arange(8.0).reshape(2, 2, 2)})
            values = {"annotations": annotations, "images": images}
        elif name == "Figures":
            values = {"length": 4, "picture_size": "[48,40]"}
        else:
            values = {"root": request.getfixturevalue({"Lsp": "fake_lsp", "FaceKeypoints": "fake_faces"}[name])}
        words = [f"--{role}_data.{key}={value}" for role in ("train", "val") for key, value in values.items()]
        return [*words, f"--val_data.headboxes={tmp_path / 'heads.mat'}"] if name == "Mpii" else words

    return options


def small(name: str) -> list[str]:
    """What is replaced so that a test can afford the run; everything else is the file's."""
    options = CONTENT[name]["backbone"].get("options", {})
    kept = {key: value for key, value in options.items() if key == "out_indices"}
    values = {
        "backbone.name": "test_resnet",
        "backbone.pretrained": "false",
        "backbone.options": yaml.safe_dump(kept, default_flow_style=True).strip(),
        "image_size": "[64,48]",
        "budget.epochs": 2,
        "budget.minutes": "null",
        "loader.batch_size": 2,
        "loader.workers": 0,
        "hardware.accelerator": "cpu",
        "hardware.devices": 1,
        "hardware.precision": "32-true",
        "optimiser.warmup": 1,
    }
    return [f"--{key}={value}" for key, value in values.items()]


@pytest.mark.parametrize("name", READY)
def test_two_steps(name, people, tmp_path, capsys):
    content = CONTENT[name]
    replaced = [*people(content["train_data"]["class_path"]), *small(name)]
    words = ["train", "--config", str(CONFIGS[name]), "--output", str(tmp_path / "run"), *replaced]
    if "warm_start" in content:
        first = ["--config", str(CONFIGS[name]), "--warm_start=null", "--output", str(tmp_path / "first"), *replaced]
        assert main(["train", *first]) == 0, capsys.readouterr().err
        words.append(f"--warm_start={tmp_path / 'first'}")
    assert main(words) == 0, capsys.readouterr().err
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as file:
        epochs = list(csv.DictReader(file))
    assert int(epochs[-1]["step"]) >= 2
    assert all(math.isfinite(float(epoch["train_loss"])) for epoch in epochs)
    _, spec = load_model(tmp_path / "run")
    assert spec.head["class_path"] == content["head"]["class_path"]
    for key, value in (content["head"].get("init_args") or {}).items():
        assert spec.head["init_args"][key] == value


def test_every_configuration_is_tried():
    assert list(CONTENT) == READY


@pytest.mark.parametrize("text", BACKBONES, ids=[f"{b[0]['name']}-{b[1]}" for b in map(yaml.safe_load, BACKBONES)])
def test_the_real_backbone_and_head_fit(text):
    arguments, (height, width) = yaml.safe_load(text)
    with torch.device("meta"):
        backbone = Backbone(arguments["name"], image_size=(height, width), **arguments.get("options", {}))
        features = backbone.eval()(torch.zeros(1, 3, height, width))
    assert features.shape == (1, backbone.out_channels, height // backbone.stride, width // backbone.stride)
    if "hrnet" in arguments["name"]:
        assert backbone.stride == 4
    of_it = [c["head"] for c in CONTENT.values() if [c["backbone"], c["image_size"]] == [arguments, [height, width]]]
    chosen = {yaml.safe_dump(head): head for head in of_it if head["class_path"] in heads.__all__}
    for head in chosen.values():
        built = getattr(heads, head["class_path"])(backbone.out_channels, 17, **head.get("init_args", {}))
        with torch.no_grad():
            assert built(torch.zeros(features.shape)).mean.shape == (1, 17, 2)
