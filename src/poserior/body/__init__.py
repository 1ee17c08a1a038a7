"""From keypoints with covariances to bodies in space."""

from poserior.body.anny_body import AnnyBody
from poserior.body.base import Body, turn
from poserior.body.cameras import guessed_camera, information, pinhole, project
from poserior.body.figures_body import FiguresBody
from poserior.body.fitting import BodyFit, fit_body
from poserior.body.robust import Loss, geman_mcclure, huber, squared
from poserior.body.smplx_body import SmplxBody
from poserior.body.triangulation import Triangulation, triangulate

__all__ = [
    "AnnyBody",
    "Body",
    "BodyFit",
    "FiguresBody",
    "Loss",
    "SmplxBody",
    "Triangulation",
    "fit_body",
    "geman_mcclure",
    "guessed_camera",
    "huber",
    "information",
    "pinhole",
    "project",
    "squared",
    "triangulate",
    "turn",
]
