"""Other people's networks as `ExternalPeople`: their answers, their features and their own scores. Nothing is trained."""

from poserior.post_hoc.adapters.keypoint_rcnn import KeypointRCNNAdapter
from poserior.post_hoc.adapters.vitpose import VitPoseAdapter

__all__ = ["KeypointRCNNAdapter", "VitPoseAdapter"]
