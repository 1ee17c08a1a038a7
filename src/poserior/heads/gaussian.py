"""The Gaussian head: a location and a scale for every coordinate."""

from jaxtyping import Float
from torch import Tensor, nn

from poserior import distributions
from poserior.heads.base import Head
from poserior.heads.pooled import PooledLinear, bounded_scale, raw_of_scale


class Gaussian(Head):
    """``-log p = sum_d [(y - loc)^2 / (2 scale^2) + log scale + log(2 pi) / 2]``, the scale a sigmoid of the features.

    Source: Li et al., ICCV 2021, section 3.1 (and the standard practice of heteroscedastic regression).

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        initial_scale: where the scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        initial_scale: float = 0.1,
        scale_floor: float = 1e-4,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        self.scale_floor = scale_floor
        self.locate = PooledLinear(in_channels, num_keypoints, dim)
        self.measure = PooledLinear(in_channels, num_keypoints, dim)
        nn.init.constant_(self.measure.linear.bias, raw_of_scale(initial_scale, scale_floor))

    def forward(self, features: Float[Tensor, "B C H W"]) -> distributions.Gaussian:
        return distributions.Gaussian(self.locate(features), bounded_scale(self.measure(features), self.scale_floor))
