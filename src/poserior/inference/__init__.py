"""From pictures and boxes to `Prediction`s, and from a data set to the record of an evaluation."""

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
