"""Probabilistic regression in vision, first of all human pose. Importing the package changes nothing."""

__version__ = "0.1.0"
