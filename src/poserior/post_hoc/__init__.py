"""Calibration after training, on a frozen model: what is fitted on held-out people and stored beside the weights."""

from poserior.post_hoc.base import Fit, calibrated
from poserior.post_hoc.conformal import HeldOut, conformal, held_out_scores

__all__ = ["Fit", "HeldOut", "calibrated", "conformal", "held_out_scores"]
