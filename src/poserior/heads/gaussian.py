"""The Gaussian head: a location and a scale for every coordinate."""

from jaxtyping import Float
from torch import Tensor

from poserior import distributions
from poserior.heads.base import Head
from poserior.heads.pooled import LocationAndScale


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
        self.regress = LocationAndScale(in_channels, num_keypoints, dim, initial_scale, scale_floor)

    def forward(self, features: Float[Tensor, "B C H W"]) -> distributions.Gaussian:
        return distributions.Gaussian(*self.regress(features))
