"""The contracts of what is fitted to make a density, its confidence and its regions mean what they say."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from poserior.distributions import Distribution


class Calibrator(nn.Module, ABC):
    """Answers, for every keypoint, "how accurate will this be?" and "would a human label it?", each in [0, 1].

    Attributes:
        looks_at: whose features it is given: the ``"backbone"``'s, or the ``"head"``'s last ones (`Head.penultimate`).
        area_per_box: the share of its box that the kernel's widths take the object's area for, where the calibrator
            predicts that share itself; None where it does not.
    """

    looks_at: str = "backbone"
    area_per_box: float | None = None

    @abstractmethod
    def forward(
        self, distribution: Distribution, features: Float[Tensor, "B C H W"], widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Confidence and visibility of every keypoint.

        Args:
            distribution: a head's answer, ``batch_shape (B, K)``, crop-normalised.
            features: the backbone's, or the head's, see `looks_at`.
            widths: the OKS kernel's width per axis in the same unit; see `poserior.geometry.oks_widths`.
        """

    @abstractmethod
    def loss(
        self,
        features: Float[Tensor, "B C H W"],
        visibility: Int[Tensor, "B K"] | Bool[Tensor, "B K"],
        share: Float[Tensor, "B"] | None = None,
    ) -> Float[Tensor, ""]:
        """What training minimises beside the head's loss; 0 where there is nothing to learn.

        Args:
            features: the backbone's.
            visibility: COCO's 0/1/2, or labelled or not.
            share: the objects' annotated area per area of their box, where it is known.
        """

    def area_share(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B"] | None:  # noqa: ARG002  # none here
        """The share of its box that each object's area is predicted to be; None where nothing predicts it."""
        return None


class Recalibration(nn.Module, ABC):
    """A predicted density to one whose regions cover what they say; its numbers are buffers, fitted after training."""

    @abstractmethod
    def forward(self, distribution: Distribution) -> Distribution:
        """The corrected density.

        Args:
            distribution: ``batch_shape (B, K)``, crop-normalised.
        """


class SizeTable(NamedTuple):
    """Regions as numbers: G size groups of every keypoint.

    Attributes:
        edges: ``(K, G - 1)``, logarithms of areas in square image pixels; an object belongs to the group whose number
            is that of the edges not above its own. Minus infinity where a keypoint has no groups.
        radii: ``(G, K)``, see `Regions.radii`.
        levels: ``(G, K)``, see `Regions.levels`.
    """

    edges: Float[Tensor, "K E"]
    radii: Float[Tensor, "G K"]
    levels: Float[Tensor, "G K"]


class Regions(nn.Module, ABC):
    """How large a region has to be to hold the label with a promised probability; fitted after training."""

    @abstractmethod
    def levels(self, coverage: float, area: Float[Tensor, "B"]) -> Float[Tensor, "B K"]:
        """The credible level (see `Distribution.credible_level`) up to which points belong to the region.

        Args:
            coverage: the promised probability, in (0, 1).
            area: the objects' areas in square image pixels, for regions that differ by size.
        """

    @abstractmethod
    def radii(self, coverage: float, area: Float[Tensor, "B"]) -> Float[Tensor, "B K"]:
        """The Mahalanobis radius, about the mode and by the density's covariance, of an ellipse that keeps the promise.

        Args:
            coverage: the promised probability, in (0, 1).
            area: the objects' areas in square image pixels.
        """

    def by_size(self, coverage: float) -> SizeTable | None:  # noqa: ARG002  # not all regions come in groups
        """The same as a table, to be used without this library; None for regions that are no table of size groups.

        Args:
            coverage: the promised probability, in (0, 1).
        """
        return None
