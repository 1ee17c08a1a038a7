"""The Gaussian head with a full covariance matrix."""

from jaxtyping import Float
from torch import Tensor

from poserior import distributions
from poserior.heads.base import Head
from poserior.heads.pooled import LocationAndScale, PooledLinear
from poserior.heads.shapes import scale_tril


class FullGaussian(Head):
    """``-log p = (y - loc)^T S^-1 (y - loc) / 2 + log det(S) / 2 + D log(2 pi) / 2`` with a full covariance S.

    Predicted are the standard deviations (as the `Gaussian` head does) and the correlations between the axes, at most
    0.999 in size: an error along a limb is larger than across it, whichever way the limb points.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        initial_scale: where the standard deviations start, as a fraction of the crop's side.
        scale_floor: the smallest standard deviation that can be predicted.
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
        self.correlate = PooledLinear(in_channels, num_keypoints, dim * (dim - 1) // 2)

    def forward(self, features: Float[Tensor, "B C H W"]) -> distributions.FullGaussian:
        loc, scale = self.regress(features)
        return distributions.FullGaussian(loc, scale_tril(scale, self.correlate(features)))
