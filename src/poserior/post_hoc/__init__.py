"""Calibration after training, on a frozen model: what is fitted on held-out people and stored beside the weights."""

from poserior.post_hoc.base import Fit, calibrated
from poserior.post_hoc.closed_form import closed_form

__all__ = ["Fit", "calibrated", "closed_form"]
