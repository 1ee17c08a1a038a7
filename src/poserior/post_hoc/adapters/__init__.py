"""Other people's networks as `ExternalPeople`: answers, features and their own scores."""

from poserior.post_hoc.adapters.keypoint_rcnn import KeypointRCNNAdapter
from poserior.post_hoc.adapters.vitpose import VitPoseAdapter

__all__ = ["KeypointRCNNAdapter", "VitPoseAdapter"]
