"""What is wrong with a set of annotations, found before training. Needs no torch."""

from poserior.checks.alike import duplicate_pictures, shared_names, split_leaks
from poserior.checks.examine import examine
from poserior.checks.finding import Finding, by_severity
from poserior.checks.labels import Labels, read_labels
from poserior.checks.pictures import Seen, look, picture_files, picture_sizes

__all__ = [
    "Finding",
    "Labels",
    "Seen",
    "by_severity",
    "duplicate_pictures",
    "examine",
    "look",
    "picture_files",
    "picture_sizes",
    "read_labels",
    "shared_names",
    "split_leaks",
]
