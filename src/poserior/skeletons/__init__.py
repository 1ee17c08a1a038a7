"""Skeletons: what the keypoints are called, how they connect, mirror and count. One YAML file each."""

from poserior.skeletons.by_name import middle_sigma, mirror_name, sigma_by_name
from poserior.skeletons.guess import guess, mirror_pairs
from poserior.skeletons.skeleton import Skeleton, load, names
from poserior.skeletons.whole_body import join_annotations, join_results, part_keys
from poserior.skeletons.write import to_yaml

__all__ = [
    "Skeleton",
    "guess",
    "join_annotations",
    "join_results",
    "load",
    "middle_sigma",
    "mirror_name",
    "mirror_pairs",
    "names",
    "part_keys",
    "sigma_by_name",
    "to_yaml",
]
