"""Densities in every cell: one head, one file; the module is the registry."""

from poserior.dense.heads.base import DenseHead
from poserior.dense.heads.fixed import DenseFixed
from poserior.dense.heads.mixture import DenseMixture

__all__ = ["DenseFixed", "DenseHead", "DenseMixture"]
