"""From keypoints with covariances to bodies in space."""

from poserior.body.cameras import guessed_camera, information, pinhole, project
from poserior.body.robust import Loss, geman_mcclure, huber, squared
from poserior.body.triangulation import Triangulation, triangulate

__all__ = [
    "Loss",
    "Triangulation",
    "geman_mcclure",
    "guessed_camera",
    "huber",
    "information",
    "pinhole",
    "project",
    "squared",
    "triangulate",
]
