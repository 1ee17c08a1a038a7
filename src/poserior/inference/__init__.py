"""From pictures and boxes to `Prediction`s, and from a data set to the record of an evaluation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # networks take seconds to import: loaded when first asked for
    from poserior.inference.detections import predict_people, without_duplicates
    from poserior.inference.detector import Detector
    from poserior.inference.evaluate import evaluate_model
    from poserior.inference.overlay import draw_people
    from poserior.inference.predictor import Predictor, load
    from poserior.inference.published import import_weights
    from poserior.inference.recalibration import recalibrate_results
    from poserior.inference.results import labelled_people, results_to_evaluation

__all__ = [
    "Detector",
    "Predictor",
    "draw_people",
    "evaluate_model",
    "import_weights",
    "labelled_people",
    "load",
    "predict_people",
    "recalibrate_results",
    "results_to_evaluation",
    "without_duplicates",
]

_PLACES = {
    "Detector": "detector",
    "Predictor": "predictor",
    "draw_people": "overlay",
    "evaluate_model": "evaluate",
    "import_weights": "published",
    "labelled_people": "results",
    "load": "predictor",
    "predict_people": "detections",
    "recalibrate_results": "recalibration",
    "results_to_evaluation": "results",
    "without_duplicates": "detections",
}


def __getattr__(name: str) -> Any:
    """The names above, imported when first asked for: measuring a results file needs no network."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"poserior.inference.{_PLACES[name]}"), name)
