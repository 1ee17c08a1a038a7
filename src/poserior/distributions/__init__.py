"""Densities over points: what `torch.distributions` lacks. One distribution, one file."""

from poserior.distributions.base import Distribution, GaussianKernel, Kernel
from poserior.distributions.decide import decide
from poserior.distributions.flow import Flow, FlowLaw
from poserior.distributions.gaussian import Gaussian, StandardGaussian
from poserior.distributions.laplace import Laplace, StandardLaplace
from poserior.distributions.loc_scale import LocScale, StandardLaw
from poserior.distributions.mixture import Mixture
from poserior.distributions.realnvp import RealNVP

__all__ = [
    "Distribution",
    "Flow",
    "FlowLaw",
    "Gaussian",
    "GaussianKernel",
    "Kernel",
    "Laplace",
    "LocScale",
    "Mixture",
    "RealNVP",
    "StandardGaussian",
    "StandardLaplace",
    "StandardLaw",
    "decide",
]
