"""Calibration after training, on a frozen model: what is fitted on held-out people and stored beside the weights."""

from poserior.post_hoc.base import Fit, calibrated
from poserior.post_hoc.scale import scale

__all__ = ["Fit", "calibrated", "scale"]
