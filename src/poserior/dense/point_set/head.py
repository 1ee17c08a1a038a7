"""What is regressed at an anchor: per keypoint the law of its offset from the anchor's point.

Offsets are in units of the anchor's size, so that anchors of all sizes share one flow and one range of scales.
"""

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from poserior.distributions import (
    Distribution,
    Flow,
    FlowLaw,
    Laplace,
    LocScale,
    RealNVP,
    StandardGaussian,
    StandardLaplace,
    StandardLaw,
)
from poserior.heads.rle import residual_loss


class PointLaw(nn.Module, ABC):
    """Raw values of K keypoints to the density of their offsets, and what is minimised.

    Attributes:
        channels: raw values per keypoint and anchor.
    """

    channels: int

    @abstractmethod
    def initial(self) -> Float[Tensor, "P"]:
        """Raw values to start from."""

    @abstractmethod
    def density(self, raw: Float[Tensor, "*L K P"]) -> LocScale:
        """The law of ``(keypoint - anchor's point) / anchor's size``: ``batch_shape (*L, K)``, ``event_shape (2,)``."""

    @abstractmethod
    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L K"]:
        """Per keypoint; 0 where it is not labelled, whatever its target is."""


class AnchorRLE(PointLaw):
    """``-log Q(e) - log G(e) + sum_d log scale``, ``e = (offset - loc) / scale``, one flow G for all keypoints.

    As `poserior.heads.RLE` (variant ``"paper"``), whose docstring and docs/rle.md say more: the density is G moved and
    scaled. ``loc`` and ``scale`` per keypoint and axis make 4 K values per anchor.

    Args:
        base: Q, ``"laplace"`` or ``"gaussian"``.
        couplings: coupling layers of the flow.
        layers: fully connected layers of each coupling network.
        neurons: their width.
        initial_scale: where the scales start, in anchor sizes.
        scale_floor: the smallest scale that can be predicted; the greatest is 1.
        error_clamp: standardised errors beyond this are clamped before they enter the flow.
    """

    channels = 4

    def __init__(
        self,
        base: str = "laplace",
        couplings: int = 6,
        layers: int = 3,
        neurons: int = 64,
        initial_scale: float = 0.2,
        scale_floor: float = 1e-3,
        error_clamp: float = 100.0,
    ) -> None:
        super().__init__()
        if base not in ("laplace", "gaussian"):
            raise ValueError(f"expected base 'laplace' or 'gaussian', found {base!r}")
        if not 0 < scale_floor < initial_scale < 1:
            raise ValueError(f"expected 0 < scale_floor < initial_scale < 1, found {scale_floor} and {initial_scale}")
        self.base: StandardLaw = StandardLaplace() if base == "laplace" else StandardGaussian()
        self.law = FlowLaw(RealNVP(2, couplings, layers, neurons))
        self.initial_scale, self.scale_floor, self.error_clamp = initial_scale, scale_floor, error_clamp

    def initial(self) -> Float[Tensor, "P"]:
        share = (self.initial_scale - self.scale_floor) / (1 - self.scale_floor)
        raw = math.log(share / (1 - share))
        return torch.tensor([0.0, 0.0, raw, raw])

    def density(self, raw: Float[Tensor, "*L K P"]) -> LocScale:
        scale = self.scale_floor + (1 - self.scale_floor) * raw[..., 2:].sigmoid()
        return Flow(raw[..., :2], scale, self.law)

    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L K"]:
        assert isinstance(distribution, LocScale)
        # Only labelled keypoints enter the flow: most of the cost, where pictures have few people. And one keypoint
        # more, which counts nothing: a batch without labels has none, and a flow takes at least one.
        nothing = target.new_zeros(1, 2)
        loc = torch.cat([distribution.loc[labelled], nothing])
        scale = torch.cat([distribution.scale[labelled], nothing + 1])
        points = torch.cat([target[labelled], nothing])
        loss = residual_loss(Flow(loc, scale, self.law), points, self.base, error_clamp=self.error_clamp)[:-1]
        return torch.zeros_like(target[..., 0]).masked_scatter(labelled, loss)


class AnchorL1(PointLaw):
    """The base: ``sum_d |offset - loc|``, 2 K values per anchor, over a scale that is known beforehand.

    Its density is Laplace's, with one scale per keypoint and axis for all anchors and pictures: the mean absolute
    error in training, of which a running mean is kept. It does not enter the loss.

    Args:
        num_points: K.
        unit: the distance, in anchor sizes, that counts 1 in the loss: so that its gradient stands beside the
            classification's as that of a Laplace likelihood of this scale does.
        momentum: of the running mean.
    """

    channels = 2
    spread: Tensor

    def __init__(self, num_points: int, unit: float = 0.1, momentum: float = 0.02) -> None:
        super().__init__()
        self.unit, self.momentum = unit, momentum
        self.register_buffer("spread", torch.full((num_points, 2), 0.2))

    def initial(self) -> Float[Tensor, "P"]:
        return torch.zeros(2)

    def density(self, raw: Float[Tensor, "*L K P"]) -> LocScale:
        return Laplace(raw, self.spread.to(raw).expand_as(raw))

    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L K"]:
        assert isinstance(distribution, LocScale)
        mask = labelled[..., None]
        error = torch.where(mask, target - distribution.loc, 0.0).abs()
        if self.training:
            self._remember(error.detach().flatten(0, -3), labelled.flatten(0, -2))
        return error.sum(-1) / self.unit

    @torch.no_grad()
    def _remember(self, error: Float[Tensor, "L K 2"], labelled: Bool[Tensor, "L K"]) -> None:
        number = labelled.sum(0)[:, None]
        mean = (error.sum(0) / number.clamp_min(1)).clamp_min(1e-4)
        self.spread.lerp_(torch.where(number > 0, mean, self.spread), self.momentum)
