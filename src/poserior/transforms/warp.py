"""Resampling a picture by an affine map: see `poserior.pictures.warp`."""

from poserior.pictures.warp import warp as warp
