"""Calibration after training, on a frozen model: what is fitted on held-out people and stored beside the weights."""

from poserior.post_hoc.base import Fit, calibrated
from poserior.post_hoc.ccnet import ccnet
from poserior.post_hoc.closed_form import closed_form
from poserior.post_hoc.conformal import HeldOut, conformal, held_out_scores
from poserior.post_hoc.external import (
    ExternalPeople,
    Labels,
    cross_fitted,
    fit_external,
    join,
    judge_external,
    match_labels,
    rescored,
)
from poserior.post_hoc.net import NetSettings
from poserior.post_hoc.scale import scale

__all__ = [
    "ExternalPeople",
    "Fit",
    "HeldOut",
    "Labels",
    "NetSettings",
    "calibrated",
    "ccnet",
    "closed_form",
    "conformal",
    "cross_fitted",
    "fit_external",
    "held_out_scores",
    "join",
    "judge_external",
    "match_labels",
    "rescored",
    "scale",
]
