"""Direct regression in every cell, as CenterNet's."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from poserior.dense.heads.base import DenseHead
from poserior.dense.heads.branch import branch, full_precision, only_labelled
from poserior.distributions import Distribution, Gaussian, Laplace, LocScale

# The scale is exp(GAIN * parameter), so that a learning rate made for network weights moves it fast enough.
GAIN = 10.0
SMALLEST, LARGEST = -9.0, 9.0  # of the scale's logarithm: 1e-4 to 8000 cells


class DenseFixed(DenseHead):
    """One location per point; one scale for everything, times each point's factor.

    Trained on the plain distance ``sum_kd |y - loc|`` of the labelled points (``"gaussian"``: its square), as if the
    scale were a constant. The scale is trained beside it on the likelihood of the errors as they are, so that the
    density is honest about the average error, and nothing else.

    Source: Zhou et al., "Objects as points", 2019 (the distance); the scale is ours.

    Args:
        in_channels: of the features.
        factors: see `DenseHead`.
        channels: of the layer between, see `branch`.
        base: ``"laplace"`` for the distance, ``"gaussian"`` for its square.
        initial_scale: where the scale starts, in cells, at a point of average factor.
    """

    def __init__(
        self,
        in_channels: int,
        factors: Sequence[float],
        channels: int = 64,
        base: Literal["laplace", "gaussian"] = "laplace",
        initial_scale: float = 4.0,
    ) -> None:
        super().__init__(in_channels, factors)
        if base not in ("laplace", "gaussian"):
            raise ValueError(f"expected base 'laplace' or 'gaussian', found {base!r}")
        self.base = base
        self.locate = branch(in_channels, [0.0] * (2 * self.num_points), channels)
        average = sum(factors) / len(factors)
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale / average) / GAIN))

    @property
    def components(self) -> int:
        return 1

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B P h w"]:
        raw: Tensor = self.locate(features)
        return raw

    def density(self, raw: Float[Tensor, "*L P"]) -> LocScale:
        loc = full_precision(raw).reshape(*raw.shape[:-1], self.num_points, 2)
        scale = (GAIN * self.log_scale).clamp(SMALLEST, LARGEST).exp() * self.factors[:, None]
        scale = scale.to(loc).expand_as(loc)
        return Laplace(loc, scale) if self.base == "laplace" else Gaussian(loc, scale)

    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L"]:
        """The plain distance, plus the likelihood of the errors as constants, which trains the scale alone."""
        assert isinstance(distribution, LocScale)
        points = only_labelled(target, labelled)
        error = points - distribution.loc
        distance = error.abs() if self.base == "laplace" else error.square()
        constant = LocScale(distribution.loc.detach(), distribution.scale, distribution.law)
        each = distance.sum(-1) - constant.log_prob(points)
        return torch.where(labelled, each, 0.0).sum(-1)
