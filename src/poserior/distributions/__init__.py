"""Densities over points: what `torch.distributions` lacks. One distribution, one file."""

from poserior.distributions.base import Distribution, GaussianKernel, Kernel

__all__ = ["Distribution", "GaussianKernel", "Kernel"]
