"""Densities in every cell: one head, one file; the module is the registry."""

from poserior.dense.heads.base import DenseHead
from poserior.dense.heads.fixed import DenseFixed
from poserior.dense.heads.mixture import DenseMixture
from poserior.dense.heads.rle import DenseRLE

__all__ = ["DenseFixed", "DenseHead", "DenseMixture", "DenseRLE"]
