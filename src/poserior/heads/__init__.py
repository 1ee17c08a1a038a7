"""Heads: features to densities. One head, one file; the module is the registry."""

from poserior.heads.base import Head
from poserior.heads.dle import DLE
from poserior.heads.energy import Energy
from poserior.heads.fixed import Fixed
from poserior.heads.gaussian import Gaussian
from poserior.heads.laplace import Laplace
from poserior.heads.rle import RLE

__all__ = ["DLE", "RLE", "Energy", "Fixed", "Gaussian", "Head", "Laplace"]
