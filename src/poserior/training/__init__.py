"""The training loop, on Lightning. The names below are looked up when first asked for: Lightning imports slowly."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from poserior.training.config import Backbone, Budget, Checkpoint, Config, Hardware, Loader, Optimiser, Part

if TYPE_CHECKING:
    from poserior.training.data import Data
    from poserior.training.module import PoseModule
    from poserior.training.run import train

__all__ = [
    "Backbone",
    "Budget",
    "Checkpoint",
    "Config",
    "Data",
    "Hardware",
    "Loader",
    "Optimiser",
    "Part",
    "PoseModule",
    "train",
]

_LATER = {"Data": "data", "PoseModule": "module", "train": "run"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
