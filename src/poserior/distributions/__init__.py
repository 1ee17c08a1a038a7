"""Densities over points: what `torch.distributions` lacks. One distribution, one file."""

from poserior.distributions.base import Distribution, GaussianKernel, Kernel
from poserior.distributions.decide import decide
from poserior.distributions.energy import Energy
from poserior.distributions.flow import Flow, FlowLaw
from poserior.distributions.full_gaussian import FullGaussian
from poserior.distributions.gaussian import Gaussian, StandardGaussian
from poserior.distributions.gaussian_mixture import GaussianMixture
from poserior.distributions.grid import Grid
from poserior.distributions.joint_flow import FlowLaws, JointFlow, JointLaw
from poserior.distributions.laplace import Laplace, StandardLaplace
from poserior.distributions.loc_scale import LocScale, StandardLaw
from poserior.distributions.mixture import Mixture
from poserior.distributions.modes import separate_modes
from poserior.distributions.plateau import Plateau
from poserior.distributions.pose_full_mixture import PoseFullMixture
from poserior.distributions.pose_gaussian_mixture import PoseGaussianMixture
from poserior.distributions.product_grid import ProductGrid
from poserior.distributions.realnvp import RealNVP
from poserior.distributions.recalibrated import Recalibrated
from poserior.distributions.student_t import StudentT
from poserior.distributions.whole_poses import PoseMarginals, WholePoses

__all__ = [
    "Distribution",
    "Energy",
    "Flow",
    "FlowLaw",
    "FlowLaws",
    "FullGaussian",
    "Gaussian",
    "GaussianKernel",
    "GaussianMixture",
    "Grid",
    "JointFlow",
    "JointLaw",
    "Kernel",
    "Laplace",
    "LocScale",
    "Mixture",
    "Plateau",
    "PoseFullMixture",
    "PoseGaussianMixture",
    "PoseMarginals",
    "ProductGrid",
    "RealNVP",
    "Recalibrated",
    "StandardGaussian",
    "StandardLaplace",
    "StandardLaw",
    "StudentT",
    "WholePoses",
    "decide",
    "separate_modes",
]
