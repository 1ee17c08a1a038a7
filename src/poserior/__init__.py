"""Probabilistic regression in vision, first of all human pose. Importing the package changes nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # heavy: loaded when first asked for
    from poserior.inference import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]

_MODULES = ("calibration", "datasets", "distributions", "heads", "metrics", "models", "skeletons", "transforms")


def __getattr__(name: str) -> Any:
    """`load` and the stages, imported when first asked for: ``import poserior`` alone costs nothing."""
    if name == "load":
        return import_module("poserior.inference").load
    if name in _MODULES:
        return import_module(f"poserior.{name}")
    raise AttributeError(f"module 'poserior' has no attribute {name!r}")
