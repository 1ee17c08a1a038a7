"""Two real processes, started by the command line as a user's are, against one with twice the batch."""

import csv
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from poserior.cli import main

# No running statistics in this network; 11 and 5 people do not divide by two, or into whole batches.
CONFIG = """
head: {class_path: Laplace}
train_data: {class_path: Figures, init_args: {length: 11, picture_size: [48, 40], supersample: 1}}
val_data: {class_path: Figures, init_args: {length: 5, seed: 1, picture_size: [48, 40], supersample: 1}}
image_size: [32, 32]
backbone: {name: test_convnext}
optimiser: {lr: 0.002, warmup: 2, ema: 0.9}
budget: {epochs: 2}
hardware: {accelerator: cpu}
tensorboard: false
"""


def rows(folder):
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items() if key != "minutes"} for row in csv.DictReader(file)]


def test_two_processes_are_one_with_twice_the_batch(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    words = ["train", "--config", str(config), "--loader.workers", "0"]
    two = ["--output", str(tmp_path / "two"), "--loader.batch_size", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "poserior", *words, *two, "--hardware.devices", "2", "--hardware.strategy", "ddp"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the trained model is in") == 1
    assert "sync_dist" not in done.stderr
    assert main([*words, "--output", str(tmp_path / "one"), "--loader.batch_size", "4"]) == 0
    ours, theirs = rows(tmp_path / "two"), rows(tmp_path / "one")
    assert [row["step"] for row in ours] == [2.0, 4.0]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "one"))
    for name, value in second.items():
        torch.testing.assert_close(first[name], value, rtol=1e-3, atol=1e-5)
