"""A run's folder: never two runs' results in one."""

import os
from pathlib import Path
from typing import Any

import yaml

from poserior.errors import InputError
from poserior.training.config import RunConfig
from poserior.whole_files import write_bytes

# What may differ between the two parts of a resumed run.
_FREE_TO_CHANGE = {"budget", "checkpoint", "hardware", "logger", "tensorboard"}


def is_first_process() -> bool:
    """Whether this is the one process, or of several the one that writes; known before Lightning starts."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in names)


def check_folder(output: Path, config: RunConfig, resume: bool) -> None:
    """Make sure that no other run's results are mixed with this one's.

    Raises:
        InputError: the folder holds a run or a model and `resume` is off, or that run's configuration is another.
    """
    path = output / "config.yaml"
    if output.exists() and not output.is_dir():
        raise InputError(f"expected a folder at {output}, found a file; choose another --output")
    if not path.exists():
        other = [name for name in ("last.ckpt", "model.yaml", "model.safetensors") if (output / name).exists()]
        if other:
            raise InputError(f"expected an empty output folder, found {other[0]} in {output}; choose another --output")
        return
    if not resume:
        raise InputError(
            f"expected an empty output folder, found a run in {output}; choose another --output, or continue"
            " that run with --resume"
        )
    before, now = _read_config(path), config.to_dict()
    differs = sorted(key for key in now if key not in _FREE_TO_CHANGE and now[key] != before.get(key))
    if differs:
        raise InputError(
            f"expected the configuration of the run in {output} to resume it, found other values of"
            f" {', '.join(differs)}; restore them, or start a new run in another folder"
        )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"expected a run's configuration in {path}, found something else; choose another --output")
    return content


def claim(output: Path, config: RunConfig, resume: bool) -> None:
    """Write ``config.yaml`` where `check_folder` agrees; of several processes the first alone does.

    Raises:
        InputError: see there.
    """
    if not is_first_process():
        return
    check_folder(output, config, resume)
    text = yaml.safe_dump(config.to_dict(), sort_keys=False, allow_unicode=True)
    write_bytes(output / "config.yaml", text.encode())
