"""`(preds, target)` to a number; function and class in one file.

Everything masks by visibility: what is not labelled has no influence, and a value that nothing defines is not a number.
"""

from poserior.metrics.average_precision import CocoKeypointAP, coco_average_precision, evaluation_to_coco
from poserior.metrics.base import keypoint_distance, masked_mean
from poserior.metrics.correlation import Correlation, pearson, spearman
from poserior.metrics.coverage import Coverage, coverage
from poserior.metrics.end_point import EndPointError, end_point_error, end_point_error_per_keypoint, normalised_error
from poserior.metrics.nll import NegativeLogLikelihood, keypoint_nll, nll
from poserior.metrics.oks import ObjectKeypointSimilarity, keypoint_oks, oks
from poserior.metrics.pck import PercentageCorrectKeypoints, auc, pck, pck_per_keypoint, pckh
from poserior.metrics.reliability import CalibrationError, Reliability, ece, reliability
from poserior.metrics.sparsification import SparsificationError, ause, sparsification
from poserior.metrics.summary import summarise

__all__ = [
    "CalibrationError",
    "CocoKeypointAP",
    "Correlation",
    "Coverage",
    "EndPointError",
    "NegativeLogLikelihood",
    "ObjectKeypointSimilarity",
    "PercentageCorrectKeypoints",
    "Reliability",
    "SparsificationError",
    "auc",
    "ause",
    "coco_average_precision",
    "coverage",
    "ece",
    "end_point_error",
    "end_point_error_per_keypoint",
    "evaluation_to_coco",
    "keypoint_distance",
    "keypoint_nll",
    "keypoint_oks",
    "masked_mean",
    "nll",
    "normalised_error",
    "oks",
    "pck",
    "pck_per_keypoint",
    "pckh",
    "pearson",
    "reliability",
    "sparsification",
    "spearman",
    "summarise",
]
