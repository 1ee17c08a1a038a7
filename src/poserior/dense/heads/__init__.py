"""Densities in every cell: one head, one file."""

from poserior.dense.heads.base import DenseHead as DenseHead
