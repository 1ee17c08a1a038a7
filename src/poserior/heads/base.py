"""The contract of every head: features in, a density out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from poserior.distributions import Distribution, Mixture


class Head(nn.Module, ABC):
    """Features ``(B, C, H, W)`` to one density per keypoint.

    The density lives in crop-normalised coordinates: [-0.5, 0.5] on each axis of the crop, 0.5 at its right or bottom
    edge (a third axis is depth in the same unit). So every head's ``-log_prob`` is in the same nats per keypoint.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
    """

    def __init__(self, in_channels: int, num_keypoints: int, dim: int = 2) -> None:
        super().__init__()
        if dim not in (2, 3):
            raise ValueError(f"expected dim 2 or 3, found {dim}")
        self.in_channels, self.num_keypoints, self.dim = in_channels, num_keypoints, dim

    @abstractmethod
    def forward(self, features: Float[Tensor, "B C H W"]) -> Distribution:
        """The predicted density, ``batch_shape (B, K)``, ``event_shape (D,)``."""

    def penultimate(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B P h w"]:
        """The features that the head's last layer sees: the backbone's own, unless the head has layers in between."""
        return features

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """What is minimised, per keypoint: -log_prob, unless the head's paper trains on something else."""
        return -distribution.log_prob(target)

    def labelled_loss(
        self, distribution: Distribution, target: Float[Tensor, "B K D"], labelled: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K"]:
        """`loss` where a label is, 0 elsewhere; the targets there may be anything, also not a number.

        A head whose density ties keypoints together overrides this and integrates the unlabelled ones out.
        """
        # Replaced before the loss: a NaN there would survive a mask in the gradient.
        points = torch.where(labelled[..., None], target, 0.0)
        return torch.where(labelled, self.loss(distribution, points), 0.0)

    def fuse(self, laws: Sequence[Distribution]) -> Distribution:
        """The equal mixture of several of this head's answers to one question: a flip test, an ensemble."""
        return Mixture(laws)
