"""From pictures and boxes to `Prediction`s, and from a data set to the record of an evaluation."""

from poserior.inference.boxes import BoxFile, PictureBoxes
from poserior.inference.detections import predict_people, without_duplicates
from poserior.inference.evaluate import evaluate_model
from poserior.inference.files import read_annotations, read_results, write_json, write_json_list
from poserior.inference.overlay import draw_people
from poserior.inference.pictures import Picture, find_pictures
from poserior.inference.predictor import Predictor, load
from poserior.inference.published import import_weights
from poserior.inference.recalibration import recalibrate_results
from poserior.inference.results import labelled_people, results_to_evaluation

__all__ = [
    "BoxFile",
    "Picture",
    "PictureBoxes",
    "Predictor",
    "draw_people",
    "evaluate_model",
    "find_pictures",
    "import_weights",
    "labelled_people",
    "load",
    "predict_people",
    "read_annotations",
    "read_results",
    "recalibrate_results",
    "results_to_evaluation",
    "without_duplicates",
    "write_json",
    "write_json_list",
]
