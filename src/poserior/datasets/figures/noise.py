r"""Label noise with a known law, to check predicted densities against the truth and not only against samples.

Every law's size is relative to OKS's width ``w_k = 2 oks_sigma_k sqrt(area)``: a spread of one such width costs a
keypoint an OKS of ``exp(-1/2)`` per unit of Mahalanobis distance. Draws come from a `numpy.random.Generator`; the
global generators are not touched.
"""

from abc import ABC, abstractmethod

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Laplace, MixtureSameFamily, Normal, StudentT

from poserior.errors import InputError
from poserior.skeletons import Skeleton


class LabelNoise(ABC):
    """How far, and which way, labels lie from the truth."""

    @abstractmethod
    def law(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
    ) -> Distribution:
        """The density of the labels: ``batch_shape (K,)``, ``event_shape (2,)``, in pixels.

        Args:
            points: the true keypoints in pixels.
            visibility: COCO's 0/1/2.
            widths: OKS's width of each keypoint in pixels.
            skeleton: which keypoints mirror each other.
        """

    @abstractmethod
    def draw(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
        rng: np.random.Generator,
    ) -> Float[Tensor, "K 2"]:
        """One label per keypoint, drawn from `law`."""


def _positive(name: str, value: float | int) -> float:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"expected {name} of label noise to be positive, found {value}; give a number such as 0.5")
    return float(value)


def _shift(points: Tensor, spread: Tensor, standard: np.ndarray) -> Tensor:
    return points + spread[:, None] * torch.from_numpy(standard).to(points.dtype)


class GaussianNoise(LabelNoise):
    """Normal on both axes, standard deviation ``size * w_k``."""

    def __init__(self, size: float | int = 0.5) -> None:
        self.size = _positive("the size", size)

    def law(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
    ) -> Distribution:
        return Independent(Normal(points, self.size * widths[:, None].expand_as(points)), 1)

    def draw(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
        rng: np.random.Generator,
    ) -> Float[Tensor, "K 2"]:
        return _shift(points, self.size * widths, rng.standard_normal(tuple(points.shape)))


class LaplaceNoise(LabelNoise):
    """Laplace on both axes, scale (mean absolute deviation) ``size * w_k``."""

    def __init__(self, size: float | int = 0.5) -> None:
        self.size = _positive("the size", size)

    def law(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
    ) -> Distribution:
        return Independent(Laplace(points, self.size * widths[:, None].expand_as(points)), 1)

    def draw(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
        rng: np.random.Generator,
    ) -> Float[Tensor, "K 2"]:
        return _shift(points, self.size * widths, rng.laplace(size=tuple(points.shape)))


class HeteroscedasticNoise(LabelNoise):
    """Normal with a spread of its own per keypoint, wider where the keypoint is hidden.

    The standard deviation is ``size * w_k * f_k``, times `hidden` where the visibility is 1. The factors ``f_k`` rise
    evenly from 0.5 at the skeleton's first keypoint to 1.5 at its last.
    """

    def __init__(self, size: float | int = 0.5, hidden: float | int = 3.0) -> None:
        self.size = _positive("the size", size)
        self.hidden = _positive("the factor of hidden keypoints", hidden)

    def _spread(self, visibility: Tensor, widths: Tensor) -> Tensor:
        factors = torch.linspace(0.5, 1.5, len(widths), dtype=widths.dtype)
        return self.size * widths * factors * torch.where(visibility == 1, self.hidden, 1.0).to(widths.dtype)

    def law(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
    ) -> Distribution:
        return Independent(Normal(points, self._spread(visibility, widths)[:, None].expand_as(points)), 1)

    def draw(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
        rng: np.random.Generator,
    ) -> Float[Tensor, "K 2"]:
        return _shift(points, self._spread(visibility, widths), rng.standard_normal(tuple(points.shape)))


class StudentTNoise(LabelNoise):
    """Student's t on both axes, scale ``size * w_k``: heavy tails, gross errors now and then."""

    def __init__(self, size: float | int = 0.35, degrees: float | int = 2.5) -> None:
        self.size = _positive("the size", size)
        self.degrees = _positive("the degrees of freedom", degrees)

    def law(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
    ) -> Distribution:
        degrees = torch.full_like(points, self.degrees)
        return Independent(StudentT(degrees, points, self.size * widths[:, None].expand_as(points)), 1)

    def draw(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
        rng: np.random.Generator,
    ) -> Float[Tensor, "K 2"]:
        return _shift(points, self.size * widths, rng.standard_t(self.degrees, tuple(points.shape)))


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

    def _partners(self, points: Tensor, visibility: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
        """The mirrored points, and the probability of a swap."""
        order = torch.tensor(skeleton.flip_indices)
        paired = (visibility > 0) & (visibility[order] > 0) & (order != torch.arange(len(order)))
        return torch.where(paired[:, None], points[order], points), paired.to(points.dtype) * self.swap

    def law(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
    ) -> Distribution:
        mirrored, swap = self._partners(points, visibility, skeleton)
        loc = torch.stack([points, mirrored], 1)
        scale = (self.size * widths)[:, None, None].expand_as(loc)
        return MixtureSameFamily(Categorical(torch.stack([1 - swap, swap], 1)), Independent(Normal(loc, scale), 1))

    def draw(
        self,
        points: Float[Tensor, "K 2"],
        visibility: Int[Tensor, "K"],
        widths: Float[Tensor, "K"],
        skeleton: Skeleton,
        rng: np.random.Generator,
    ) -> Float[Tensor, "K 2"]:
        mirrored, swap = self._partners(points, visibility, skeleton)
        swapped = torch.from_numpy(rng.random(len(points))) < swap.double()
        chosen = torch.where(swapped[:, None], mirrored, points)
        return _shift(chosen, self.size * widths, rng.standard_normal(tuple(points.shape)))
