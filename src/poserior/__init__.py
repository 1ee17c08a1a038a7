"""Probabilistic regression in vision, first of all human pose. Importing the package changes nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # heavy: loaded when first asked for
    from poserior.inference import import_weights, load

__version__ = "0.1.0"
__all__ = ["__version__", "import_weights", "load"]

_MODULES = ("calibration", "datasets", "distributions", "heads", "metrics", "models", "skeletons", "transforms")


def __getattr__(name: str) -> Any:
    """Functions and stages are imported when first asked for: ``import poserior`` alone costs nothing."""
    if name in ("import_weights", "load"):
        return getattr(import_module("poserior.inference"), name)
    if name in _MODULES:
        return import_module(f"poserior.{name}")
    raise AttributeError(f"module 'poserior' has no attribute {name!r}")
