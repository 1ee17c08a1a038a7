"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions
from poserior.calibration.ccnet import CCNet
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence
from poserior.calibration.oks_sigmas import (
    PEOPLE_NEEDED,
    SigmaEstimate,
    anchored,
    sigmas_from_repeats,
    sigmas_from_residuals,
)

__all__ = [
    "PEOPLE_NEEDED",
    "CCNet",
    "Calibrator",
    "ExpectedOks",
    "Recalibration",
    "Regions",
    "SigmaEstimate",
    "anchored",
    "expected_oks",
    "instance_confidence",
    "sigmas_from_repeats",
    "sigmas_from_residuals",
]
