"""Pictures to work on: where they are, their pixels, and the boxes to look in. Needs no torch."""

from poserior.pictures.boxes import BoxFile, PictureBoxes
from poserior.pictures.decode import CorruptImageError, decode
from poserior.pictures.find import SUFFIXES, Picture, find_pictures, read_picture
from poserior.pictures.video import VIDEO_SUFFIXES, Video

__all__ = [
    "SUFFIXES",
    "VIDEO_SUFFIXES",
    "BoxFile",
    "CorruptImageError",
    "Picture",
    "PictureBoxes",
    "Video",
    "decode",
    "find_pictures",
    "read_picture",
]
