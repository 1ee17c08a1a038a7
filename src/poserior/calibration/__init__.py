"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions, SizeTable
from poserior.calibration.ccnet import CCNet
from poserior.calibration.closed_forms import (
    blob_oks,
    fitted_blob,
    heatmap_oks,
    heatmap_peak,
    oks_length,
    one_minus_scale,
)
from poserior.calibration.conformal import Conformal, RegionScores, region_scores
from poserior.calibration.conformal_quantiles import conformal_quantile, labels_needed
from poserior.calibration.covariate_shift import ShiftWeights, shift_weights
from poserior.calibration.cross_fit import cross_fit, cross_fit_people, picture_folds, picture_hash
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence
from poserior.calibration.oks_sigmas import (
    PEOPLE_NEEDED,
    SigmaEstimate,
    anchored,
    sigmas_from_repeats,
    sigmas_from_residuals,
)
from poserior.calibration.point_conformal import PointConformal
from poserior.calibration.pose_features import pose_features
from poserior.calibration.recalibrator import Recalibrator
from poserior.calibration.scale import QuantileCalibration, ScaleCalibration

__all__ = [
    "PEOPLE_NEEDED",
    "CCNet",
    "Calibrator",
    "Conformal",
    "ExpectedOks",
    "PointConformal",
    "QuantileCalibration",
    "Recalibration",
    "Recalibrator",
    "RegionScores",
    "Regions",
    "ScaleCalibration",
    "ShiftWeights",
    "SigmaEstimate",
    "SizeTable",
    "anchored",
    "blob_oks",
    "conformal_quantile",
    "cross_fit",
    "cross_fit_people",
    "expected_oks",
    "fitted_blob",
    "heatmap_oks",
    "heatmap_peak",
    "instance_confidence",
    "labels_needed",
    "oks_length",
    "one_minus_scale",
    "picture_folds",
    "picture_hash",
    "pose_features",
    "region_scores",
    "shift_weights",
    "sigmas_from_repeats",
    "sigmas_from_residuals",
]
