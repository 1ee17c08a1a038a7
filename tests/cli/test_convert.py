import csv
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import yaml

from poserior import skeletons
from poserior.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_data"


@pytest.fixture
def own_data(tmp_path, monkeypatch):
    """The example's pictures and table, thirty of them."""
    spec = importlib.util.spec_from_file_location("make_data", EXAMPLE / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["make_data.py", "own_data", "30"])
    module.main()
    return tmp_path / "own_data"


def convert(*words):
    return main(["convert", *map(str, words)])


def test_a_table_becomes_training_and_validation_files_and_a_skeleton(own_data, capsys):
    words = ["--images", own_data / "images", "--category", "scissors", "--split", "0.8/0.2", "--group", "^[^_]+"]
    assert convert(own_data / "labels.csv", "--to", "coco", "--output", own_data / "scissors.json", *words) == 0
    printed = capsys.readouterr().out
    assert "labels.csv (csv): 30 pictures, 30 people, 5 keypoints" in printed
    assert "boxes of 30 people are made up" in printed
    train, val = (json.loads((own_data / f"scissors-{part}.json").read_text()) for part in ("train", "val"))
    benches = [{row["file_name"][:6] for row in part["images"]} for part in (train, val)]
    assert [len(part["images"]) for part in (train, val)] == [20, 10]
    assert not benches[0] & benches[1]
    assert train["images"][0]["height"] == 160
    skeleton = skeletons.load(own_data / "scissors.yaml")
    assert skeleton.flip_pairs == (("left_tip", "right_tip"), ("left_ring", "right_ring"))
    assert skeleton.name == "scissors"


def test_round_the_formats_and_back(own_data, capsys):
    images = ["--images", own_data / "images"]
    assert convert(own_data / "labels.csv", "--to", "yolo", "--output", own_data, *images) == 0
    assert "the pictures belong into" in capsys.readouterr().out
    assert convert(own_data, "--to", "label-studio", "--output", own_data / "studio.json") == 0
    assert "lost or left out: mirror pairs" in capsys.readouterr().out
    assert convert(own_data / "studio.json", "--to", "dlc", "--output", own_data / "CollectedData_me.csv") == 0
    assert "lost or left out: boxes; the pictures' sizes" in capsys.readouterr().out
    order = ["--skeleton", own_data / "skeleton.yaml"]
    assert convert(own_data / "CollectedData_me.csv", "--to", "csv", "--output", own_data / "again.csv", *order) == 0
    before, after = (
        list(csv.DictReader((own_data / name).read_text().splitlines())) for name in ("labels.csv", "again.csv")
    )
    assert len(after) == 30
    for one, two in zip(before, after, strict=True):
        assert one["image"] == two["image"]
        assert all(float(two[key]) == pytest.approx(float(one[key]), abs=1e-3) for key in one if key != "image")


def test_known_keypoints_need_no_new_skeleton(tmp_path, capsys):
    names = skeletons.load("lsp14").keypoints
    header = ",".join(f"{name}_{axis}" for name in names for axis in "xy")
    (tmp_path / "labels.csv").write_text(f"image,{header}\na.jpg,{','.join(['5'] * 28)}\n")
    assert convert(tmp_path / "labels.csv", "--to", "coco", "--output", tmp_path / "people.json") == 0
    assert "the keypoints are those of lsp14: give --skeleton lsp14" in capsys.readouterr().out
    assert not (tmp_path / "people.yaml").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["labels.csv", "--to", "coco", "--output", "out.txt"], "expected --output to end in .json for coco"),
        (["labels.csv", "--to", "voc", "--output", "out.json"], "expected a format (coco, csv, yolo, dlc"),
        (["labels.csv", "--to", "csv", "--output", "labels.csv"], "expected another file than the input"),
        (["labels.csv", "--to", "coco", "--output", "o.json", "--split", "a/b"], "expected --split as shares"),
        (["labels.csv", "--to", "coco", "--output", "o.json", "--group", "x"], "expected --group with --split"),
        (["labels.csv", "--to", "coco", "--output", "o.json", "--from", "dlc"], "expected rows scorer"),
        (["none.csv", "--to", "coco", "--output", "o.json"], "expected labels at none.csv"),
        (["labels.csv", "--to", "coco", "--output", "o.json", "--skeleton", "coco17"], "expected the 17 keypoints"),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(own_data, monkeypatch, capsys, words, says):
    monkeypatch.chdir(own_data)
    capsys.readouterr()
    assert convert(*words) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not list(own_data.glob("o*.json"))


def test_from_a_table_to_an_evaluated_model(own_data, capsys):
    """The commands of examples/own_data/README.md, as far as an epoch on a few pictures goes."""
    words = ["--images", "own_data/images", "--split", "0.6/0.4", "--category", "scissors"]
    assert convert("own_data/labels.csv", "--to", "coco", "--output", "own_data/scissors.json", *words) == 0
    config = yaml.safe_load((EXAMPLE / "train.yaml").read_text())
    assert config["train_data"]["init_args"]["annotations"] == "own_data/scissors-train.json"
    tiny = [
        "--budget.epochs",
        "1",
        "--image_size",
        "[32,32]",
        "--backbone.name",
        "test_resnet",
        "--optimiser.warmup",
        "0",
        "--loader.augment",
        "false",
    ]
    assert main(["train", "--config", str(EXAMPLE / "train.yaml"), "--output", "runs/scissors", *tiny]) == 0
    val = ["--annotations", "own_data/scissors-val.json", "--images", "own_data/images"]
    assert main(["evaluate", "--run", "runs/scissors", *val, "--output", "scores"]) == 0
    assert 0 < json.loads(Path("scores/metrics.json").read_text())["OKS"] <= 1
    assert main(["predict", "own_data/images/bench0_0000.jpg", "--run", "runs/scissors", "--output", "out"]) == 0
    (entry,) = json.loads(Path("out/results.json").read_text())
    assert len(entry["keypoints"]) == 15
