"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions
from poserior.calibration.cross_fit import cross_fit, cross_fit_people, picture_folds, picture_hash
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence
from poserior.calibration.pose_features import pose_features
from poserior.calibration.recalibrator import Recalibrator

__all__ = [
    "Calibrator",
    "ExpectedOks",
    "Recalibration",
    "Recalibrator",
    "Regions",
    "cross_fit",
    "cross_fit_people",
    "expected_oks",
    "instance_confidence",
    "picture_folds",
    "picture_hash",
    "pose_features",
]
