"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence

__all__ = ["Calibrator", "ExpectedOks", "Recalibration", "Regions", "expected_oks", "instance_confidence"]
