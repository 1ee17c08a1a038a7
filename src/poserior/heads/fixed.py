"""Direct regression: a density of constant scale. L1 is Laplace's, L2 is the Gaussian's."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions import Distribution, Gaussian, Laplace, LocScale
from poserior.heads.base import Head
from poserior.heads.pooled import PooledLinear

# The scale is exp(GAIN * parameter), so that a learning rate made for network weights moves it fast enough.
GAIN = 10.0


class Fixed(Head):
    """One location per keypoint and one scale for everything.

    The location is trained on the plain L1 or L2 distance (the paper's direct regression), ``sum_d |y - loc|`` or
    ``sum_d (y - loc)^2``, as if the scale were a constant; the scale is trained beside it on the likelihood of the
    errors as they are, so that the density is honest about the average error and nothing else.

    Source: Li et al., ICCV 2021, section 3.1.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        base: ``"laplace"`` for L1, ``"gaussian"`` for L2.
        initial_scale: where the scale starts, as a fraction of the crop's side.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        base: Literal["laplace", "gaussian"] = "laplace",
        initial_scale: float = 0.1,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        if base not in ("laplace", "gaussian"):
            raise ValueError(f"expected base 'laplace' or 'gaussian', found {base!r}")
        self.base = base
        self.locate: nn.Module = PooledLinear(in_channels, num_keypoints, dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(initial_scale) / GAIN))

    def forward(self, features: Float[Tensor, "B C H W"]) -> LocScale:
        return self.density(self.locate(features))

    def density(self, loc: Float[Tensor, "B K D"]) -> LocScale:
        """The law of constant scale about `loc`."""
        scale = (GAIN * self.log_scale).clamp(-9.0, 3.0).exp().expand_as(loc)
        return Laplace(loc, scale) if self.base == "laplace" else Gaussian(loc, scale)

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """The plain distance, plus the likelihood of the errors as constants (it trains the scale alone)."""
        assert isinstance(distribution, LocScale)
        error = target - distribution.loc
        distance = error.abs() if self.base == "laplace" else error.square()
        constant = LocScale(distribution.loc.detach(), distribution.scale, distribution.law)
        return distance.sum(-1) - constant.log_prob(target)
