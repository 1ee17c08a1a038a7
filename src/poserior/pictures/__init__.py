"""Pictures to work on: where they are, their pixels, and the boxes to look in. Needs no torch."""

from poserior.pictures.boxes import BoxFile, PictureBoxes
from poserior.pictures.decode import CorruptImageError, decode
from poserior.pictures.find import SUFFIXES, Picture, Pictures, find_pictures, read_picture, short_names
from poserior.pictures.people import PersonInPicture, each_person
from poserior.pictures.stores import Images, open_images
from poserior.pictures.video import VIDEO_SUFFIXES, Video
from poserior.pictures.warp import warp

__all__ = [
    "SUFFIXES",
    "VIDEO_SUFFIXES",
    "BoxFile",
    "CorruptImageError",
    "Images",
    "PersonInPicture",
    "Picture",
    "PictureBoxes",
    "Pictures",
    "Video",
    "decode",
    "each_person",
    "find_pictures",
    "open_images",
    "read_picture",
    "short_names",
    "warp",
]
