"""Keypoint R-CNN with densities: detection and pose in one network. The only place that imports it from torchvision."""

from poserior.rcnn.model import KeypointRCNN, keypoint_rcnn
from poserior.rcnn.roi import RoIHeads, from_roi, to_roi
from poserior.rcnn.targets import detection_targets

__all__ = ["KeypointRCNN", "RoIHeads", "detection_targets", "from_roi", "keypoint_rcnn", "to_roi"]
