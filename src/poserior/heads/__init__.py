"""Heads: features to densities. One head, one file; the module is the registry."""

from poserior.heads.auxiliary_heatmap_rle import AuxiliaryHeatmapRLE
from poserior.heads.base import Head
from poserior.heads.bins import Bins
from poserior.heads.dle import DLE
from poserior.heads.energy import Energy
from poserior.heads.fixed import Fixed
from poserior.heads.full_gaussian import FullGaussian
from poserior.heads.gaussian import Gaussian
from poserior.heads.heatmap import Heatmap
from poserior.heads.integral import Integral
from poserior.heads.laplace import Laplace
from poserior.heads.mixture import Mixture
from poserior.heads.pose_mixture import PoseMixture
from poserior.heads.rle import RLE
from poserior.heads.soft_argmax_rle import SoftArgmaxRLE
from poserior.heads.student_t import StudentT

__all__ = [
    "DLE",
    "RLE",
    "AuxiliaryHeatmapRLE",
    "Bins",
    "Energy",
    "Fixed",
    "FullGaussian",
    "Gaussian",
    "Head",
    "Heatmap",
    "Integral",
    "Laplace",
    "Mixture",
    "PoseMixture",
    "SoftArgmaxRLE",
    "StudentT",
]
