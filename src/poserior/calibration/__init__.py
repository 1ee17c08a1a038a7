"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence
from poserior.calibration.scale import QuantileCalibration, ScaleCalibration

__all__ = [
    "Calibrator",
    "ExpectedOks",
    "QuantileCalibration",
    "Recalibration",
    "Regions",
    "ScaleCalibration",
    "expected_oks",
    "instance_confidence",
]
