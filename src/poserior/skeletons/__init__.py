"""Skeletons: what the keypoints are called, how they connect, mirror and count. One YAML file each."""

from poserior.skeletons.skeleton import Skeleton, load, names
from poserior.skeletons.whole_body import join_annotations, join_results, part_keys

__all__ = ["Skeleton", "join_annotations", "join_results", "load", "names", "part_keys"]
