"""Pictures to work on: where they are, their pixels, and the boxes to look in. Needs no torch."""

from poserior.pictures.boxes import BoxFile, PictureBoxes
from poserior.pictures.decode import CorruptImageError, decode
from poserior.pictures.find import SUFFIXES, Picture, find_pictures, read_picture
from poserior.pictures.people import PersonInPicture, each_person
from poserior.pictures.warp import warp

__all__ = [
    "SUFFIXES",
    "BoxFile",
    "CorruptImageError",
    "PersonInPicture",
    "Picture",
    "PictureBoxes",
    "decode",
    "each_person",
    "find_pictures",
    "read_picture",
    "warp",
]
