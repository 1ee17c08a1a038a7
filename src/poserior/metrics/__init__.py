"""`(preds, target)` to a number: functions, and the same over batches as torchmetrics classes.

Everything masks by visibility: what is not labelled has no influence, and a value that nothing defines is not a number.
"""

from typing import TYPE_CHECKING, Any

from poserior.metrics.average_precision import coco_average_precision, evaluation_to_coco
from poserior.metrics.base import keypoint_distance, masked_mean
from poserior.metrics.box_average_precision import coco_box_average_precision
from poserior.metrics.brier import brier_score
from poserior.metrics.correlation import pearson, spearman
from poserior.metrics.coverage import coverage
from poserior.metrics.end_point import end_point_error, end_point_error_per_keypoint, normalised_error
from poserior.metrics.mpjpe import mpjpe, pa_mpjpe, procrustes, vertex_error
from poserior.metrics.nll import keypoint_nll, nll
from poserior.metrics.oks import keypoint_oks, oks
from poserior.metrics.oks_nms import oks_nms, pairwise_oks
from poserior.metrics.parts import average_precision_by_part
from poserior.metrics.pck import auc, pck, pck_per_keypoint, pckh
from poserior.metrics.pit import PitHistogram, pit
from poserior.metrics.ranking import ranking_frame
from poserior.metrics.reliability import Reliability, ece, reliability
from poserior.metrics.risk_coverage import aurc, risk_coverage
from poserior.metrics.sharpness import coverage_against_width, needed_width, region_reach, region_width
from poserior.metrics.size_groups import size_groups
from poserior.metrics.sparsification import ause, sparsification
from poserior.metrics.summary import summarise

if TYPE_CHECKING:
    from poserior.metrics.over_batches import (
        CalibrationError,
        CocoKeypointAP,
        Correlation,
        Coverage,
        EndPointError,
        NegativeLogLikelihood,
        ObjectKeypointSimilarity,
        PercentageCorrectKeypoints,
        SparsificationError,
    )

__all__ = [
    "CalibrationError",
    "CocoKeypointAP",
    "Correlation",
    "Coverage",
    "EndPointError",
    "NegativeLogLikelihood",
    "ObjectKeypointSimilarity",
    "PercentageCorrectKeypoints",
    "PitHistogram",
    "Reliability",
    "SparsificationError",
    "auc",
    "aurc",
    "ause",
    "average_precision_by_part",
    "brier_score",
    "coco_average_precision",
    "coco_box_average_precision",
    "coverage",
    "coverage_against_width",
    "ece",
    "end_point_error",
    "end_point_error_per_keypoint",
    "evaluation_to_coco",
    "keypoint_distance",
    "keypoint_nll",
    "keypoint_oks",
    "masked_mean",
    "mpjpe",
    "needed_width",
    "nll",
    "normalised_error",
    "oks",
    "oks_nms",
    "pa_mpjpe",
    "pairwise_oks",
    "pck",
    "pck_per_keypoint",
    "pckh",
    "pearson",
    "pit",
    "procrustes",
    "ranking_frame",
    "region_reach",
    "region_width",
    "reliability",
    "risk_coverage",
    "size_groups",
    "sparsification",
    "spearman",
    "summarise",
    "vertex_error",
]


def __getattr__(name: str) -> Any:
    """The classes, when first asked for: torchmetrics takes seconds to import, and few users need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poserior.metrics import over_batches

    return getattr(over_batches, name)
