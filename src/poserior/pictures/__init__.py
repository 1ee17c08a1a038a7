"""Pictures to work on: where they are, their pixels, and the boxes to look in. Needs no torch."""

from poserior.pictures.boxes import BoxFile, PictureBoxes
from poserior.pictures.decode import CorruptImageError, decode
from poserior.pictures.find import SUFFIXES, Picture, find_pictures, read_picture

__all__ = [
    "SUFFIXES",
    "BoxFile",
    "CorruptImageError",
    "Picture",
    "PictureBoxes",
    "decode",
    "find_pictures",
    "read_picture",
]
