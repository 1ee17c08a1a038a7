"""Densities made wider or narrower, and their levels set right, by what held-out labels said of them."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.calibration.base import Recalibration
from poserior.distributions import Distribution, Recalibrated


class ScaleCalibration(Recalibration):
    """Each keypoint's density stretched about its mode: ``y -> mode + f_k (y - mode)``.

    The mode, and so the predicted pose, stays; standard deviations are multiplied by ``f_k``.

    Args:
        num_keypoints: K. The factors are 1 until fitted, see `poserior.post_hoc.scale`.
    """

    factors: Float[Tensor, "K"]

    def __init__(self, num_keypoints: int) -> None:
        super().__init__()
        self.register_buffer("factors", torch.ones(num_keypoints))

    def forward(self, distribution: Distribution) -> Distribution:
        return stretched(distribution, self.factors)


class QuantileCalibration(Recalibration):
    """`ScaleCalibration`, then the map of levels that makes the regions cover what they say (`Recalibrated`).

    Each keypoint has a factor and a map of its own. The modes, and so the predicted pose, stay.

    Args:
        num_keypoints: K.
        knots: M, how many knots a map has. The map is the identity until fitted.
    """

    factors: Float[Tensor, "K"]
    levels: Float[Tensor, "K M"]
    mass: Float[Tensor, "K M"]

    def __init__(self, num_keypoints: int, knots: int = 33) -> None:
        super().__init__()
        if knots < 2:
            raise ValueError(f"expected at least 2 knots, found {knots}")
        self.register_buffer("factors", torch.ones(num_keypoints))
        self.register_buffer("levels", torch.linspace(0, 1, knots).repeat(num_keypoints, 1))
        self.register_buffer("mass", self.levels.clone())

    def forward(self, distribution: Distribution) -> Recalibrated:
        return Recalibrated(stretched(distribution, self.factors), self.levels, self.mass)


def stretched(distribution: Distribution, factors: Float[Tensor, "K"]) -> Distribution:
    """The densities ``(B, K)``, keypoint k's stretched by ``factors[k]`` about its mode."""
    mode = distribution.mode
    scale = factors.to(mode)[:, None].expand(mode.shape)
    return distribution.affine(scale, (1 - scale) * mode)
