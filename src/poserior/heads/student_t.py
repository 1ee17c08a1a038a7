"""The Student-t head: heavy tails, as heavy as the data asks for."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior import distributions
from poserior.heads.base import Head
from poserior.heads.pooled import LocationAndScale, PooledLinear, raw_of_scale

DF_RANGE = (2.1, 100.0)


class StudentT(Head):
    """``-log p = (df + D) / 2 log(1 + q / df) + sum_d log scale + const(df)``, ``q = sum_d (y - loc)^2 / scale^2``.

    Location, scales and degrees of freedom of every keypoint are predicted. ``df`` stays between 2.1, for below 2 there
    is no covariance, and 100, where the law is a Gaussian for every purpose; in between, its logarithm is a sigmoid.
    A gross label error costs ``(df + D) log|error|``, not its square.

    Source: Lange, Little & Taylor, "Robust statistical modeling using the t distribution", 1989.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        initial_scale: where the scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
        initial_df: where the degrees of freedom start.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        initial_scale: float = 0.1,
        scale_floor: float = 1e-4,
        initial_df: float = 10.0,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        low, high = DF_RANGE
        if not low < initial_df < high:
            raise ValueError(f"expected initial_df between {low} and {high}, found {initial_df}")
        self.regress = LocationAndScale(in_channels, num_keypoints, dim, initial_scale, scale_floor)
        self.freedom = PooledLinear(in_channels, num_keypoints, 1)
        share = math.log(initial_df / low) / math.log(high / low)
        nn.init.constant_(self.freedom.linear.bias, raw_of_scale(share, 0.0))

    def forward(self, features: Float[Tensor, "B C H W"]) -> distributions.StudentT:
        low, high = DF_RANGE
        df = low * torch.exp(math.log(high / low) * self.freedom(features)[..., 0].sigmoid())
        loc, scale = self.regress(features)
        return distributions.StudentT(loc, scale, df)
