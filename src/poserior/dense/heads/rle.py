"""Residual log-likelihood estimation in every cell."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.dense.heads.base import DenseHead
from poserior.dense.heads.branch import branch, full_precision, only_labelled
from poserior.dense.heads.scales import CellScale
from poserior.distributions import (
    Distribution,
    Flow,
    FlowLaw,
    LocScale,
    RealNVP,
    StandardGaussian,
    StandardLaplace,
    StandardLaw,
)
from poserior.heads.rle import Variant, residual_loss


class DenseRLE(DenseHead):
    """A location and a scale per point and axis, and one flow that learns the shape of all errors.

    Trained on ``-log Q(e) - log G(e) + sum_d log scale`` with ``e = (y - loc) / scale`` over the labelled points; the
    density is ``G(e) / prod_d scale``, exact and normalised, see `poserior.heads.RLE`. Points are independent.

    The scale is in cells and relative to the point's factor over the average factor, ``scale_kd = s_kd f_k / mean(f)``:
    the network says it for each point by itself, so the factors only decide where scales start and how small they may
    become: ``s`` is at least `scale_floor`, linear where large. The flow runs in the density's own precision, never in
    half, and at prediction not at all: its peak is a constant.

    Source: Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021, Eqs 6-8.

    Args:
        in_channels: of the features.
        factors: see `DenseHead`.
        channels: of the layer between, see `branch`.
        base: Q.
        variant: whose loss, see `poserior.heads.RLE`.
        couplings: coupling layers of the flow.
        layers: fully connected layers of each coupling network.
        neurons: their width.
        initial_scale: where ``s`` starts, in cells.
        scale_floor: the smallest ``s``, in cells.
        error_clamp: standardised errors beyond this are clamped before they enter the flow; Q sees them whole.
    """

    def __init__(
        self,
        in_channels: int,
        factors: Sequence[float],
        channels: int = 64,
        base: Literal["laplace", "gaussian"] = "laplace",
        variant: Variant = "paper",
        couplings: int = 6,
        layers: int = 3,
        neurons: int = 64,
        initial_scale: float = 8.0,
        scale_floor: float = 0.05,
        error_clamp: float = 100.0,
    ) -> None:
        super().__init__(in_channels, factors)
        if base not in ("laplace", "gaussian"):
            raise ValueError(f"expected base 'laplace' or 'gaussian', found {base!r}")
        if variant not in ("paper", "official", "mmpose"):
            raise ValueError(f"expected variant 'paper', 'official' or 'mmpose', found {variant!r}")
        if scale_floor <= 0:
            raise ValueError(f"expected a positive scale_floor, found {scale_floor}")
        self.variant, self.error_clamp, self.scale = variant, error_clamp, CellScale(1 + scale_floor)
        self.base: StandardLaw = StandardLaplace() if base == "laplace" else StandardGaussian()
        start = [0.0] * (2 * self.num_points) + [self.scale.raw(initial_scale)] * (2 * self.num_points)
        self.predict = branch(in_channels, start, channels)
        self.law = FlowLaw(RealNVP(2, couplings, layers, neurons))

    @property
    def components(self) -> int:
        return 1

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B P h w"]:
        raw: Tensor = self.predict(features)
        return raw

    def density(self, raw: Float[Tensor, "*L P"]) -> Flow:
        loc, spread = full_precision(raw).reshape(*raw.shape[:-1], 2, self.num_points, 2).unbind(-3)
        factors = (self.factors / self.factors.mean()).to(loc)
        # Public code learns the law of (loc - y) / scale: the same density with the axes mirrored.
        sign = 1 if self.variant == "paper" else -1
        return Flow(loc, sign * self.scale(spread) * factors[:, None], self.law)

    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L"]:
        """The variant's loss; not a negative log-likelihood, which is ``-log_prob``."""
        assert isinstance(distribution, LocScale)
        points = only_labelled(target, labelled)
        with torch.autocast(points.device.type, enabled=False):
            each = residual_loss(distribution, points, self.base, self.variant, self.error_clamp)
        return torch.where(labelled, each, 0.0).sum(-1)

    def weights(self, distribution: Distribution) -> Float[Tensor, "*L M"]:
        # Not by way of the mode, which in training is looked for each time.
        assert isinstance(distribution, LocScale)
        return torch.ones_like(distribution.loc[..., :1, 0])
