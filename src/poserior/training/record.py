"""What a run folder tells about itself: `README.txt` and `run.json`."""

import functools
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sized
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from poserior.outputs import write_json
from poserior.training.config import RunConfig
from poserior.whole_files import write_bytes

CROPS = """A training run of Poserior.

config.yaml         the configuration with every default; trains the same again with poserior train --config
run.json            where, when and with which versions and data it was trained, and how it ended
log.csv             a line per epoch: epoch, optimiser steps, minutes, learning rate, losses
  train_loss        the head's loss, summed over a person's labelled keypoints; mean over people
  val_nll           nats per labelled keypoint in crop-normalised coordinates; negative is normal, lower is better
  val_nll_px        the same in pixels of the crop: val_nll + log(height x width)
  val_sd_px         the standard deviation, in crop pixels, of a round Gaussian with this NLL
  val_error         mean distance of prediction and label, in crop pixels
last.ckpt           everything that --resume needs; may be deleted after the end
model.yaml          the finished model: network, head, skeleton, size of the crops
model.safetensors   its weights (averaged ones where optimiser.ema is set)
tensorboard/        the same numbers for TensorBoard, where it is installed
broken/             there only if a loss was no finite number: who was to blame, and the state before

Beside them other commands leave their results: metrics.json (evaluate), ...
"""

SCENES = """A training run of Poserior: a one-stage network.

config.yaml         the configuration with every default; trains the same again with poserior train --config
run.json            where, when and with which versions and data it was trained, and how it ended
log.csv             a line per epoch: epoch, optimiser steps, minutes, learning rate, losses
  train_loss        the weighted sum of the losses; mean over pictures
  val_loss          the same over the validation pictures; its parts, unweighted, follow: val_centre, val_offset, ...
  val_nll           nats per labelled keypoint (per box without keypoints), of places in cells, by the densities in the
                    objects' own cells
last.ckpt           everything that --resume needs; may be deleted after the end
model.yaml          the finished model: network, head, categories, skeleton, size of the pictures
model.safetensors   its weights (averaged ones where optimiser.ema is set)
tensorboard/        the same numbers for TensorBoard, where it is installed
broken/             there only if a loss was no finite number: which picture was to blame, and the state before

Beside them other commands leave their results: metrics.json (evaluate), ...
"""


class RunRecord:
    """`run.json`: its list `starts` has an entry for the first start and for every resume.

    Args:
        output: the run's folder.
        readme: what each file in it is.
        noun: what its data sets have many of.
    """

    def __init__(self, output: Path, readme: str, noun: str = "people") -> None:
        self.path, self.readme, self.noun = output / "run.json", readme, noun
        self.content: dict[str, Any] = {"format_version": 1, "starts": []}
        if self.path.exists():
            try:
                before = json.loads(self.path.read_text(encoding="utf-8"))
                self.content["starts"] = [entry for entry in before["starts"] if isinstance(entry, dict)]
            except (ValueError, KeyError, TypeError):
                pass  # written by somebody else; nothing depends on it

    def start(self, config: RunConfig, skeleton: str | None, data: Mapping[str, Sized | None]) -> None:
        """Note a start, and write `README.txt`."""
        described = {role: None if items is None else describe_data(items, self.noun) for role, items in data.items()}
        self.content |= {"skeleton": skeleton, "seed": config.seed, "data": described}
        self.content["starts"].append({"started": _now(), "ended": None, "status": "running", **environment(config)})
        self._write()
        write_bytes(self.path.with_name("README.txt"), self.readme.encode())

    def end(self, status: str, **facts: Any) -> None:
        """Note how it ended: a run without an end was killed."""
        self.content["starts"][-1] |= {"ended": _now(), "status": status, **facts}
        self._write()

    def _write(self) -> None:
        write_json(self.path, self.content)


def environment(config: RunConfig) -> dict[str, Any]:
    """Versions, hardware and the command line."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "command_line": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "poserior": _version("poserior"),
        "git_commit": _commit(Path(__file__).parents[1]),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "lightning", "timm", "numpy")},
        "system": platform.platform(),
        "cpu_cores": os.cpu_count(),
        "gpus": gpus,
        "accelerator": config.hardware.accelerator,
    }


def describe_data(items: Sized, noun: str = "people") -> dict[str, Any]:
    """How many people or pictures, of which kind, and of their annotation file the SHA-256."""
    file = getattr(items, "annotation_file", None)
    facts: dict[str, Any] = {"class": type(items).__name__, noun: len(items)}
    if file is not None and Path(file).is_file():
        with Path(file).open("rb") as stream:
            facts |= {"annotation_file": str(file), "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
    return facts


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@functools.cache
def _commit(folder: Path) -> str | None:
    """The commit of the library's own source, where it runs from a repository; "+" follows if that was changed."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        # the library as a file of the repository, not as something installed below a foreign one
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None
