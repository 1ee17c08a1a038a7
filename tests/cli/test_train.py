from pathlib import Path

import pytest
import yaml

from poserior import heads
from poserior.cli import main
from poserior.cli.configuration import read_configuration
from poserior.cli.train import parser
from poserior.models import load_model
from poserior.training import Config

CONFIGS = [
    path
    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
    if yaml.safe_load(path.read_text(encoding="utf-8"))["head"]["class_path"] in heads.__all__
]


def read(*words) -> Config:
    options = parser()
    options.exit_on_error = False
    return read_configuration(options.parse_args([str(word) for word in words]))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_published_configuration_parses(path):
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = read("--config", path)
    assert config.head["class_path"] == f"poserior.heads.{given['head']['class_path']}"
    resolved = config.to_dict()
    for part in ("optimiser", "budget", "loader", "hardware", "backbone"):
        for key, value in given.get(part, {}).items():
            assert resolved[part][key] == value
    for role in ("train_data", "val_data"):
        assert resolved[role]["class_path"] == f"poserior.datasets.{given[role]['class_path']}"
        assert given[role]["init_args"].items() <= resolved[role]["init_args"].items()


def test_all_configurations_are_there():
    assert len(CONFIGS) >= 5


@pytest.fixture
def flow_config(small_config):
    text = small_config.read_text(encoding="utf-8").replace(
        "{class_path: Laplace}", "{class_path: RLE, init_args: {couplings: 4, neurons: 16}}"
    )
    small_config.write_text(text, encoding="utf-8")
    return small_config


@pytest.mark.parametrize("option", ["--head.init_args.layers", "--head.layers"])
def test_an_override_keeps_the_files_other_values(flow_config, option):
    head = read("--config", flow_config, option, 2).head
    assert head["class_path"] == "poserior.heads.RLE"
    assert {key: head["init_args"][key] for key in ("couplings", "neurons", "layers")} == {
        "couplings": 4,
        "neurons": 16,
        "layers": 2,
    }


def test_an_override_of_a_data_set_keeps_the_files_other_values(flow_config):
    config = read("--config", flow_config, "--train_data.init_args.seed", 9, "--val_data.seed", 7)
    assert config.train_data["init_args"]["seed"] == 9
    assert config.train_data["init_args"]["length"] == 8
    assert config.val_data["init_args"]["seed"] == 7
    assert config.val_data["init_args"]["length"] == 5


def test_an_override_of_a_record_keeps_the_files_other_values(flow_config):
    config = read("--config", flow_config, "--optimiser.clip", 5, "--augment.flip", 0.25, "--image_size", "[48,40]")
    assert (config.optimiser.lr, config.optimiser.ema, config.optimiser.clip) == (0.002, 0.9, 5.0)
    assert (config.augment["flip"], config.augment["rotation"]) == (0.25, 45.0)
    assert config.image_size == (48, 40)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--optimiser.lrr", "1"], "optimiser.lrr"),
        (["--head.couplnigs", "1"], "couplnigs"),
        (["--head", "Nothing"], "Nothing"),
        (["--head.couplings", "many"], "many"),
        (["--optimiser.schedule", "cosin"], "cosin"),
        (["--optimiser.lr", "-1"], "optimiser.lr above 0"),
        (["--hardware.precision", "8"], "precision"),
        (["--val_data.length", "x"], "length"),
    ],
)
def test_bad_options_are_one_line_and_code_2(flow_config, capsys, tmp_path, words, text):
    assert main(["train", "--config", str(flow_config), "--output", str(tmp_path / "run"), *words]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert text in captured.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_key_in_the_file(small_config, capsys):
    small_config.write_text(small_config.read_text(encoding="utf-8") + "epochs: 3\n", encoding="utf-8")
    assert main(["train", "--config", str(small_config)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "epochs" in captured.err


def test_no_file_a_missing_and_a_partial_one(capsys, tmp_path):
    assert main(["train"]) == 2
    assert main(["train", "--config", str(tmp_path / "none.yaml")]) == 2
    partial = tmp_path / "partial.yaml"
    partial.write_text("head: {class_path: Laplace}\n", encoding="utf-8")
    assert main(["train", "--config", str(partial)]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "config" in first
    assert "none.yaml" in second
    assert "train_data" in third


def test_train_leaves_a_run_and_says_where(small_config, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["train", "--config", str(small_config), "--output", str(run)]
    assert main(words) == 0
    assert str(run) in capsys.readouterr().out
    assert {path.name for path in run.iterdir()} == {
        "README.txt",
        "config.yaml",
        "last.ckpt",
        "log.csv",
        "model.safetensors",
        "model.yaml",
        "run.json",
        "tensorboard",
    }
    model, spec = load_model(run)
    assert spec.image_size == (32, 32)
    assert type(model.head).__name__ == "Laplace"
    # the run's own configuration file gives the same configuration again
    assert read("--config", run / "config.yaml") == read("--config", small_config)

    assert main(words) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--resume", "--seed", "4"]) == 2
    assert "seed" in capsys.readouterr().err
    assert main([*words, "--resume", "--budget.epochs", "2"]) == 0
    assert len((run / "log.csv").read_text(encoding="utf-8").splitlines()) == 3
