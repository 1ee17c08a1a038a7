"""What a trained model does when something is taken from it, and what its errors look like; no pictures here."""

from poserior.analyses.component_records import FoundObjects, TrueObjects
from poserior.analyses.component_scale import ScaleSplit, scale_split
from poserior.analyses.component_spread import SpreadSplit, spread_split
from poserior.analyses.component_view import ViewSplit, view_split
from poserior.analyses.components import Components, Shown, Timing, describe_components
from poserior.analyses.confidence import Confidence, Curves, confidence
from poserior.analyses.density import Density, density
from poserior.analyses.displaced import displaced_average_precision, displaced_truth
from poserior.analyses.flow import JointErrors, joint_errors
from poserior.analyses.keypoint_subsets import keypoint_subsets, subset_average_precision
from poserior.analyses.learning import LearningCurve, read_learning
from poserior.analyses.occlusion import Occlusion, occlusion
from poserior.analyses.truncation import Truncation, truncation

__all__ = [
    "Components",
    "Confidence",
    "Curves",
    "Density",
    "FoundObjects",
    "JointErrors",
    "LearningCurve",
    "Occlusion",
    "ScaleSplit",
    "Shown",
    "SpreadSplit",
    "Timing",
    "TrueObjects",
    "Truncation",
    "ViewSplit",
    "confidence",
    "density",
    "describe_components",
    "displaced_average_precision",
    "displaced_truth",
    "joint_errors",
    "keypoint_subsets",
    "occlusion",
    "read_learning",
    "scale_split",
    "spread_split",
    "subset_average_precision",
    "truncation",
    "view_split",
]
