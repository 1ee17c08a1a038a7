"""One-stage networks from the command line: every configuration, training, evaluation."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from poserior.cli import main
from poserior.cli.dense_configuration import asks_for_dense, read_dense_configuration
from poserior.cli.train import parser_for
from poserior.datasets import FigureScenes, SimpleObjects, write_scene_coco
from poserior.dense.config import DenseConfig
from poserior.dense.run import dense_spec
from poserior.dense.spec import build_dense, load_dense

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("dense_*.yaml"))
PAPER = {
    *(f"dense_det_hg_{head}_1x" for head in ("l1", "mdn2", "mdn3", "mdn5")),  # Table 1
    *(f"dense_det_{run}" for run in ("hg_l1_3x", "hg_mdn3_3x", "dla34_l1_1x", "dla34_mdn3_1x")),  # Table 2
    *(f"dense_pose_hg_{head}_1x" for head in ("l1", "mdn2", "mdn3")),  # Tables 3 to 6
    *(f"dense_pose_hg_{head}_3x" for head in ("l1", "mdn3")),  # Table 7
    *(f"dense_det_dla34_{head}_768_10percent" for head in ("l1", "mdn3")),  # Figure 3 (b)
}
COMPONENTS = {"l1": 1, "heat": 1, "mdn2": 2, "mdn3": 3, "mdn5": 5}
TINY = ["--backbone", "Upsampled", "--backbone.name", "test_resnet", "--backbone.channels", "8"]
QUICK = ["--image_size", "[64,64]", "--budget.epochs", "1", "--loader.batch_size", "2", "--loader.workers", "0"]
QUICK += ["--hardware.accelerator", "cpu", "--hardware.devices", "1", "--hardware.precision", "32-true"]

SMALL = """
model: dense
head: {class_path: DenseMixture, init_args: {components: 2, channels: 8}}
backbone: {class_path: Upsampled, init_args: {name: test_resnet, channels: 8}}
train_data: {class_path: FigureScenes, init_args: {length: 4, picture_size: [64, 64], pool: 4}}
val_data: {class_path: FigureScenes, init_args: {length: 3, seed: 1, picture_size: [64, 64], pool: 4}}
image_size: [64, 64]
channels: 8
optimiser: {lr: 0.002, warmup: 2, ema: 0.9}
budget: {epochs: 1}
loader: {batch_size: 2, workers: 0}
hardware: {accelerator: cpu}
"""


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "small_dense.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    (folder / "small.yaml").write_text(SMALL, encoding="utf-8")
    assert main(["train", "--config", str(folder / "small.yaml"), "--output", str(folder / "run")]) == 0
    return folder / "run"


def read(*words) -> DenseConfig:
    words = [str(word) for word in words]
    options = parser_for(words)
    options.exit_on_error = False
    return read_dense_configuration(options.parse_args(words))


def test_every_row_of_the_paper_is_there():
    assert {path.stem for path in CONFIGS} >= PAPER


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_parses_and_builds(path):
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = read("--config", path)
    resolved = config.to_dict()
    for part in ("optimiser", "budget", "loader", "hardware", "loss_weights", "augment"):
        for key, value in given.get(part, {}).items():
            assert resolved[part][key] == value
    for part in ("head", "backbone", "train_data", "val_data"):
        assert resolved[part]["class_path"].endswith(f".{given[part]['class_path']}")
        assert given[part].get("init_args", {}).items() <= resolved[part]["init_args"].items()
    assert read("--config", path).to_dict() == DenseConfig.from_dict(resolved).to_dict()
    shown = FigureScenes(length=1, pool=1) if "pose" in path.stem else SimpleObjects(length=1)
    with torch.device("meta" if path.stem in PAPER else "cpu"):
        model = build_dense(dense_spec(config, shown))
    assert model.head.components == next(count for name, count in COMPONENTS.items() if f"_{name}" in path.stem)
    assert model.refine == any(name in path.stem for name in ("pose_hg", "scenes_pose"))


def test_which_files_are_of_one_stage_networks(config_file, small_config):
    assert asks_for_dense(["--seed", "1", "--config", str(config_file)])
    assert asks_for_dense([f"--config={config_file}"])
    assert asks_for_dense(["--model=dense"])
    assert not asks_for_dense(["--config", str(small_config)])
    assert not asks_for_dense(["--config", str(config_file.parent / "none.yaml")])
    assert not asks_for_dense(["--config"])


def test_an_override_keeps_the_files_other_values(config_file):
    config = read("--config", config_file, "--head.init_args.components", 5, "--backbone.channels", 4, "--seed", 3)
    assert config.head["init_args"]["components"] == 5
    assert config.head["init_args"]["channels"] == 8
    assert (config.backbone["init_args"]["name"], config.backbone["init_args"]["channels"]) == ("test_resnet", 4)
    assert config.seed == 3
    assert config.optimiser.ema == 0.9


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--head.componnents", "3"], "componnents"),
        (["--head", "DenseNothing"], "DenseNothing"),
        (["--box_padding", "1.2"], "box_padding"),
        (["--loss_weights.density", "much"], "loss_weights.density"),
        (["--fraction", "2"], "fraction above 0 and at most 1, found 2"),
        (["--image_size", "[60,64]"], "image_size in multiples of 32"),
        (["--train_data", "CocoKeypoints"], "CocoKeypoints"),
    ],
)
def test_bad_options_are_one_line_and_code_2(config_file, capsys, tmp_path, words, text):
    assert main(["train", "--config", str(config_file), "--output", str(tmp_path / "run"), *words]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert text in captured.err
    assert not (tmp_path / "run").exists()


def test_what_is_missing(tmp_path, capsys):
    assert main(["train", "--model", "dense"]) == 2
    partial = tmp_path / "partial.yaml"
    partial.write_text("model: dense\nhead: {class_path: DenseFixed}\n", encoding="utf-8")
    assert main(["train", "--config", str(partial)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "--config FILE" in first
    assert "expected backbone in the configuration" in second


def test_a_run_is_made_resumed_and_evaluated(run, capsys):
    model, spec = load_dense(run)
    assert spec.skeleton.name == "coco17"
    assert model.head.components == 2
    again = ["train", "--config", str(run / "config.yaml"), "--output", str(run)]
    assert main(again) == 2
    assert main([*again, "--resume", "--budget.epochs", "2"]) == 0
    assert len((run / "log.csv").read_text(encoding="utf-8").splitlines()) == 3
    capsys.readouterr()
    assert main(["evaluate", "--run", str(run), "--per-component", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "| component 2 |" in shown
    metrics = json.loads((run / "evaluation-val" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["pictures"] == 3
    assert len(metrics["components"]) == 2
    assert metrics["boxes"]["APL"] is None  # pictures of 64 pixels have no people of 96 x 96
    assert metrics["options"]["flip_test"] is True


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--boxes", "found.json"], "--boxes with a top-down run"),
        (["--annotations", "people.json"], "expected --images with --annotations"),
        (["--input-size", "large"], "--input-size as H,W or original, found 'large'"),
        (["--choice", "worst"], "worst"),
        (["--refine", "true"], "keypoint heat for refine"),
    ],
)
def test_evaluation_with_what_does_not_fit(run, capsys, words, text):
    assert main(["evaluate", "--run", str(run), "--device", "cpu", *words]) == 2
    captured = capsys.readouterr()
    assert text in captured.err.splitlines()[-1]


def test_options_of_one_stage_networks_are_not_for_others(run_folder, capsys):
    assert main(["evaluate", "--run", str(run_folder), "--annotations", "a", "--images", "b", "--per-component"]) == 2
    assert "--per-component with the finished run of a one-stage network only" in capsys.readouterr().err
    assert main(["evaluate", "--run", str(run_folder), "--images", "b"]) == 2
    assert "expected --annotations FILE, found none" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["dense_det_hg_mdn3_1x", "dense_pose_hg_mdn3_3x"])
def test_a_published_configuration_learns_from_files_in_cocos_form(name, tmp_path, capsys):
    pose = "pose" in name
    made = FigureScenes(4, 3, (64, 80), pool=4) if pose else SimpleObjects(4, 3, (64, 80), sizes=(12, 50))
    write_scene_coco(made, tmp_path / "data")
    annotations, images = tmp_path / "data" / "annotations.json", tmp_path / "data" / "images"
    run = tmp_path / "run"
    files = [f"--{role}.annotations={annotations}" for role in ("train_data", "val_data")]
    files += [f"--{role}.images={images}" for role in ("train_data", "val_data")]
    path = next(path for path in CONFIGS if path.stem == name)
    slim = [*TINY, *QUICK, "--channels", "8", "--head.channels", "8"]
    assert main(["train", "--config", str(path), "--output", str(run), *slim, *files]) == 0
    assert load_dense(run)[1].categories == made.categories
    given = ["--annotations", str(annotations), "--images", str(images)]
    assert main(["evaluate", "--run", str(run), *given, "--device", "cpu"]) == 0
    assert "objects in 4 pictures" in capsys.readouterr().out
    metrics = json.loads((run / "evaluation-annotations" / "metrics.json").read_text(encoding="utf-8"))
    assert ("keypoints" in metrics) == pose
    assert metrics["nll"] > 0
