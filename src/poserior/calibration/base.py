"""The contract of every calibrator: a density in, a confidence and a visibility out."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from poserior.distributions import Distribution


class Calibrator(nn.Module, ABC):
    """Answers, for every keypoint, "how accurate will this be?" and "would a human label it?", each in [0, 1]."""

    @abstractmethod
    def forward(
        self, distribution: Distribution, features: Float[Tensor, "B C H W"], widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Confidence and visibility of every keypoint.

        Args:
            distribution: a head's answer, ``batch_shape (B, K)``, crop-normalised.
            features: the backbone's.
            widths: the OKS kernel's width per axis in the same unit; see `poserior.geometry.oks_widths`.
        """

    @abstractmethod
    def loss(
        self, features: Float[Tensor, "B C H W"], visibility: Int[Tensor, "B K"] | Bool[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """What training minimises beside the head's loss; 0 where there is nothing to learn."""
