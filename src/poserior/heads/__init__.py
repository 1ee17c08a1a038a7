"""Heads: features to densities. One head, one file; the module is the registry."""

from poserior.heads.base import Head

__all__ = ["Head"]
