"""Point-set anchors: one-stage poses as densities about pose anchors. See docs/point-set-anchors.md."""

from poserior.dense.point_set.anchors import AnchorGrid, Places, anchor_set, pose_size
from poserior.dense.point_set.decode import different, find_people
from poserior.dense.point_set.head import AnchorL1, AnchorRLE, PointLaw
from poserior.dense.point_set.indexed import ShapeIndexed, sample_features
from poserior.dense.point_set.losses import class_loss, draw_near, mean_over_labelled
from poserior.dense.point_set.matching import Matched, anchor_oks, match, match_scene, unlearnable
from poserior.dense.point_set.measure import anchors_nll
from poserior.dense.point_set.model import AnchorMaps, PointSetModel, Stage
from poserior.dense.point_set.modes import mirror_poses, normalise_poses, pose_modes

__all__ = [
    "AnchorGrid",
    "AnchorL1",
    "AnchorMaps",
    "AnchorRLE",
    "Matched",
    "Places",
    "PointLaw",
    "PointSetModel",
    "ShapeIndexed",
    "Stage",
    "anchor_oks",
    "anchor_set",
    "anchors_nll",
    "class_loss",
    "different",
    "draw_near",
    "find_people",
    "match",
    "match_scene",
    "mean_over_labelled",
    "mirror_poses",
    "normalise_poses",
    "pose_modes",
    "pose_size",
    "sample_features",
    "unlearnable",
]
