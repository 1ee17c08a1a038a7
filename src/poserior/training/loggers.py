"""Who is told the numbers besides `log.csv`."""

import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning.pytorch.loggers as known
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from poserior.errors import InputError
from poserior.training.config import Part, RunConfig
from poserior.training.parts import build


def loggers(config: RunConfig, output: Path) -> list[Logger]:
    """TensorBoard's event files if told so, or if not told otherwise and it is installed; and the configured logger.

    Raises:
        InputError: a package is missing, or there is no such logger.
    """
    installed = any(find_spec(name) for name in ("tensorboard", "tensorboardX"))
    if config.tensorboard and not installed:
        raise InputError(
            "expected the package tensorboard for tensorboard: true, found it not installed;"
            " install it, or set tensorboard: false"
        )
    found: list[Logger] = []
    if config.tensorboard or (config.tensorboard is None and installed):
        found.append(TensorBoardLogger(output, name="tensorboard", version=""))
    if config.logger is not None:
        found.append(_other(config.logger, output))
    return found


def _other(part: Part, output: Path) -> Logger:
    arguments: dict[str, Any] = dict(part.get("init_args") or {})
    kind = getattr(known, str(part.get("class_path", "")).rpartition(".")[2], None)
    if kind is not None and "save_dir" in inspect.signature(kind).parameters:
        arguments.setdefault("save_dir", str(output))
    try:
        built: Logger = build({**part, "init_args": arguments}, Logger, "logger")  # type: ignore[type-abstract]
    except ModuleNotFoundError as error:
        raise InputError(
            f"expected the package of the logger {part['class_path']}, found it not installed ({error});"
            " install it, or choose another logger"
        ) from None
    return built
