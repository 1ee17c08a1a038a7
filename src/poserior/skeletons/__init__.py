"""Skeletons: what the keypoints are called, how they connect, mirror and count. One YAML file each."""

from poserior.skeletons.skeleton import Skeleton, load, names

__all__ = ["Skeleton", "load", "names"]
