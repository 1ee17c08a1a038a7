r"""Label noise with a known law, to check predicted densities against the truth and not only against samples.

Every law's size is relative to OKS's width ``w_k = 2 oks_sigma_k sqrt(area)``: a spread of one such width costs a
keypoint an OKS of ``exp(-1/2)`` per unit of Mahalanobis distance. Draws come from a `numpy.random.Generator`; the
global generators are not touched.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Laplace, MixtureSameFamily, Normal, StudentT

from poserior.errors import InputError
from poserior.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Truth:
    """What labels are made from.

    Attributes:
        points: ``(K, 2)`` true keypoints in pixels.
        visibility: ``(K,)`` COCO's 0/1/2.
        widths: ``(K,)`` OKS's widths in pixels.
        skeleton: which keypoints mirror each other.
    """

    points: Float[Tensor, "K 2"]
    visibility: Int[Tensor, "K"]
    widths: Float[Tensor, "K"]
    skeleton: Skeleton


class LabelNoise(ABC):
    """How far, and which way, labels lie from the truth."""

    @abstractmethod
    def law(self, truth: Truth) -> Distribution:
        """The density of the labels: ``batch_shape (K,)``, ``event_shape (2,)``, in pixels."""

    @abstractmethod
    def draw(self, truth: Truth, rng: np.random.Generator) -> Float[Tensor, "K 2"]:
        """One label per keypoint, drawn from `law`."""


def _positive(name: str, value: float | int) -> float:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"expected {name} of label noise to be positive, found {value}; give a number such as 0.5")
    return float(value)


def _both(spread: Float[Tensor, "K"]) -> Float[Tensor, "K 2"]:
    """The same spread on both axes."""
    return spread[:, None].expand(-1, 2)


def _shift(
    points: Float[Tensor, "K 2"], spread: Float[Tensor, "K"], standard: Float[np.ndarray, "K 2"]
) -> Float[Tensor, "K 2"]:
    return points + spread[:, None] * torch.from_numpy(standard).to(points.dtype)


class GaussianNoise(LabelNoise):
    """Normal on both axes, standard deviation ``size * w_k``."""

    def __init__(self, size: float | int = 0.5) -> None:
        self.size = _positive("the size", size)

    def law(self, truth: Truth) -> Distribution:
        return Independent(Normal(truth.points, _both(self.size * truth.widths)), 1)

    def draw(self, truth: Truth, rng: np.random.Generator) -> Float[Tensor, "K 2"]:
        return _shift(truth.points, self.size * truth.widths, rng.standard_normal((len(truth.points), 2)))


class LaplaceNoise(LabelNoise):
    """Laplace on both axes, scale (mean absolute deviation) ``size * w_k``."""

    def __init__(self, size: float | int = 0.5) -> None:
        self.size = _positive("the size", size)

    def law(self, truth: Truth) -> Distribution:
        return Independent(Laplace(truth.points, _both(self.size * truth.widths)), 1)

    def draw(self, truth: Truth, rng: np.random.Generator) -> Float[Tensor, "K 2"]:
        return _shift(truth.points, self.size * truth.widths, rng.laplace(size=(len(truth.points), 2)))


class HeteroscedasticNoise(LabelNoise):
    """Normal with a spread of its own per keypoint, wider where the keypoint is hidden.

    The standard deviation is ``size * w_k * f_k``, times `hidden` where the visibility is 1. The factors ``f_k`` rise
    evenly from 0.5 at the skeleton's first keypoint to 1.5 at its last.
    """

    def __init__(self, size: float | int = 0.5, hidden: float | int = 3.0) -> None:
        self.size = _positive("the size", size)
        self.hidden = _positive("the factor of hidden keypoints", hidden)

    def _spread(self, truth: Truth) -> Float[Tensor, "K"]:
        widths = truth.widths
        factors = torch.linspace(0.5, 1.5, len(widths), dtype=widths.dtype)
        return self.size * widths * factors * torch.where(truth.visibility == 1, self.hidden, 1.0).to(widths.dtype)

    def law(self, truth: Truth) -> Distribution:
        return Independent(Normal(truth.points, _both(self._spread(truth))), 1)

    def draw(self, truth: Truth, rng: np.random.Generator) -> Float[Tensor, "K 2"]:
        return _shift(truth.points, self._spread(truth), rng.standard_normal((len(truth.points), 2)))


class StudentTNoise(LabelNoise):
    """Student's t on both axes, scale ``size * w_k``: heavy tails, gross errors now and then."""

    def __init__(self, size: float | int = 0.35, degrees: float | int = 2.5) -> None:
        self.size = _positive("the size", size)
        self.degrees = _positive("the degrees of freedom", degrees)

    def law(self, truth: Truth) -> Distribution:
        degrees = torch.full_like(truth.points, self.degrees)
        return Independent(StudentT(degrees, truth.points, _both(self.size * truth.widths)), 1)

    def draw(self, truth: Truth, rng: np.random.Generator) -> Float[Tensor, "K 2"]:
        return _shift(truth.points, self.size * truth.widths, rng.standard_t(self.degrees, (len(truth.points), 2)))


class SwapNoise(LabelNoise):
    """Left and right confused: with probability `swap` a label belongs to the mirrored keypoint; normal about either.

    Each keypoint is confused on its own. One without a labelled mirror keypoint (the nose; a partner outside the
    picture) is never confused.
    """

    def __init__(self, swap: float | int = 0.15, size: float | int = 0.35) -> None:
        if not 0 <= swap <= 1:
            raise InputError(f"expected the probability of a swap between 0 and 1, found {swap}; correct it")
        self.swap = float(swap)
        self.size = _positive("the size", size)

    def _partners(self, truth: Truth) -> tuple[Float[Tensor, "K 2"], Float[Tensor, "K"]]:
        """The mirrored points, and the probability of a swap."""
        order, labelled = torch.tensor(truth.skeleton.flip_indices), truth.visibility > 0
        paired = labelled & labelled[order] & (order != torch.arange(len(order)))
        mirrored = torch.where(paired[:, None], truth.points[order], truth.points)
        return mirrored, paired.to(truth.points.dtype) * self.swap

    def law(self, truth: Truth) -> Distribution:
        mirrored, swap = self._partners(truth)
        loc = torch.stack([truth.points, mirrored], 1)
        scale = (self.size * truth.widths)[:, None, None].expand_as(loc)
        return MixtureSameFamily(Categorical(torch.stack([1 - swap, swap], 1)), Independent(Normal(loc, scale), 1))

    def draw(self, truth: Truth, rng: np.random.Generator) -> Float[Tensor, "K 2"]:
        mirrored, swap = self._partners(truth)
        swapped = torch.from_numpy(rng.random(len(swap))) < swap.double()
        chosen = torch.where(swapped[:, None], mirrored, truth.points)
        return _shift(chosen, self.size * truth.widths, rng.standard_normal((len(swap), 2)))
