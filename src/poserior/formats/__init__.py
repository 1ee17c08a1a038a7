"""Keypoint annotations of other tools, read into and written from one record. Needs no torch."""

from poserior.formats.files import FORMATS, detect, lost, read, write
from poserior.formats.names import as_skeleton, known_skeleton, skeleton_of
from poserior.formats.pictures import with_sizes
from poserior.formats.record import (
    UNLABELLED,
    Annotations,
    LabelledImage,
    LabelledPerson,
    hull_box,
    with_boxes,
)
from poserior.formats.split import split

__all__ = [
    "FORMATS",
    "UNLABELLED",
    "Annotations",
    "LabelledImage",
    "LabelledPerson",
    "as_skeleton",
    "detect",
    "hull_box",
    "known_skeleton",
    "lost",
    "read",
    "skeleton_of",
    "split",
    "with_boxes",
    "with_sizes",
    "write",
]
