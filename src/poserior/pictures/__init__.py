"""Pictures to work on: where they are, their pixels, and the boxes to look in. Needs no torch."""

from poserior.pictures.boxes import BoxFile, PictureBoxes
from poserior.pictures.decode import CorruptImageError, decode
from poserior.pictures.find import SUFFIXES, Picture, Pictures, find_pictures, read_picture, short_names
from poserior.pictures.video import VIDEO_SUFFIXES, Video

__all__ = [
    "SUFFIXES",
    "VIDEO_SUFFIXES",
    "BoxFile",
    "CorruptImageError",
    "Picture",
    "PictureBoxes",
    "Pictures",
    "Video",
    "decode",
    "find_pictures",
    "read_picture",
    "short_names",
]
