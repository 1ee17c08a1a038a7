"""Probabilistic regression in vision, first of all human pose. Importing the package changes nothing."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from poserior.version import __version__

if TYPE_CHECKING:  # heavy: loaded when first asked for
    from poserior.distributions import decide
    from poserior.ensemble import Ensemble, mc_dropout
    from poserior.hub import from_pretrained
    from poserior.inference import import_weights
    from poserior.loading import load

__all__ = ["Ensemble", "__version__", "decide", "from_pretrained", "import_weights", "load", "mc_dropout"]

_MODULES = ("calibration", "datasets", "distributions", "heads", "metrics", "models", "skeletons", "transforms")
_NAMES = {
    "load": "loading",
    "from_pretrained": "hub",
    "import_weights": "inference",
    "decide": "distributions",
    "Ensemble": "ensemble",
    "mc_dropout": "ensemble",
}


def __getattr__(name: str) -> Any:
    """The names above and the stages, imported when first asked for: ``import poserior`` alone costs nothing."""
    if name in _NAMES:
        return getattr(import_module(f"poserior.{_NAMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"poserior.{name}")
    raise AttributeError(f"module 'poserior' has no attribute {name!r}")
