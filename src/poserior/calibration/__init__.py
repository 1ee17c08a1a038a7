"""From a density to a confidence that can be trusted."""

from poserior.calibration.base import Calibrator, Recalibration, Regions
from poserior.calibration.closed_forms import (
    blob_oks,
    fitted_blob,
    heatmap_oks,
    heatmap_peak,
    oks_length,
    one_minus_scale,
)
from poserior.calibration.expected_oks import ExpectedOks, expected_oks, instance_confidence

__all__ = [
    "Calibrator",
    "ExpectedOks",
    "Recalibration",
    "Regions",
    "blob_oks",
    "expected_oks",
    "fitted_blob",
    "heatmap_oks",
    "heatmap_peak",
    "instance_confidence",
    "oks_length",
    "one_minus_scale",
]
