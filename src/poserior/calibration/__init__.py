"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions
from poserior.calibration.ccnet import CCNet
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence

__all__ = ["CCNet", "Calibrator", "ExpectedOks", "Recalibration", "Regions", "expected_oks", "instance_confidence"]
