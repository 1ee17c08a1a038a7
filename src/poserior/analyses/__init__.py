"""What a trained model does when something is taken from it, and what its errors look like; no pictures here."""

from poserior.analyses.confidence import Confidence, Curves, confidence
from poserior.analyses.density import Density, density
from poserior.analyses.flow import JointErrors, joint_errors
from poserior.analyses.occlusion import Occlusion, occlusion
from poserior.analyses.truncation import Truncation, truncation

__all__ = [
    "Confidence",
    "Curves",
    "Density",
    "JointErrors",
    "Occlusion",
    "Truncation",
    "confidence",
    "density",
    "joint_errors",
    "occlusion",
    "truncation",
]
