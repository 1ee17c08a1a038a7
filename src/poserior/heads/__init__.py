"""Heads: features to densities. One head, one file; the module is the registry."""

from poserior.heads.base import Head
from poserior.heads.dle import DLE
from poserior.heads.fixed import Fixed
from poserior.heads.full_gaussian import FullGaussian
from poserior.heads.gaussian import Gaussian
from poserior.heads.laplace import Laplace
from poserior.heads.mixture import Mixture
from poserior.heads.pose_mixture import PoseMixture
from poserior.heads.rle import RLE
from poserior.heads.student_t import StudentT

__all__ = [
    "DLE",
    "RLE",
    "Fixed",
    "FullGaussian",
    "Gaussian",
    "Head",
    "Laplace",
    "Mixture",
    "PoseMixture",
    "StudentT",
]
