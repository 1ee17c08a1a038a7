"""The mixture head: several Gaussians per keypoint."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions import GaussianMixture
from poserior.distributions.base import uniform_nodes
from poserior.heads.base import Head
from poserior.heads.pooled import PooledLinear
from poserior.heads.shapes import Activation, ScaleActivation, scale_tril

SPREAD = 0.5  # the components' centres start in the middle half of the crop


class Mixture(Head):
    """``-log p = -log sum_m w_m N(y; loc_m, S_m)``: a keypoint may have several likely places.

    Source: Bishop, "Mixture density networks", 1994; activation ``"elu"``: Varamesh & Tuytelaars, "Mixture dense
    regression for object detection and human pose estimation", CVPR 2020, section 4.2.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        components: M. Their centres start apart, evenly over the middle half of the crop: from one point they would
            all learn the same.
        covariance: ``"diagonal"``, or ``"full"`` with correlated axes.
        activation: of the scales: ``"sigmoid"``, or the mixture paper's modified ``"elu"``, which keeps components
            that explain little from shrinking.
        initial_scale: where the standard deviations start, as a fraction of the crop's side.
        scale_floor: the smallest; by default 1e-4 for the sigmoid and 1/64 for the ELU.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        components: int = 5,
        covariance: Literal["diagonal", "full"] = "diagonal",
        activation: Activation = "sigmoid",
        initial_scale: float = 0.2,
        scale_floor: float | None = None,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        if covariance not in ("diagonal", "full"):
            raise ValueError(f"expected covariance 'diagonal' or 'full', found {covariance!r}")
        if components < 1:
            raise ValueError(f"expected at least one component, found {components}")
        self.components, self.activation = components, ScaleActivation(activation, scale_floor)
        self.weigh = PooledLinear(in_channels, num_keypoints, components)
        self.locate = PooledLinear(in_channels, num_keypoints, components * dim)
        self.measure = PooledLinear(in_channels, num_keypoints, components * dim)
        nn.init.constant_(self.measure.linear.bias, self.activation.raw(initial_scale))
        centres = SPREAD * (uniform_nodes(components, dim) - 0.5)
        with torch.no_grad():
            self.locate.linear.bias.copy_(centres.flatten().repeat(num_keypoints))
        pairs = dim * (dim - 1) // 2
        self.correlate = PooledLinear(in_channels, num_keypoints, components * pairs) if covariance == "full" else None

    def forward(self, features: Float[Tensor, "B C H W"]) -> GaussianMixture:
        apart = (self.components, -1)
        loc = self.locate(features).unflatten(-1, apart)
        scale = self.activation(self.measure(features).unflatten(-1, apart))
        if self.correlate is None:
            factor = torch.diag_embed(scale)
        else:
            factor = scale_tril(scale, self.correlate(features).unflatten(-1, apart))
        return GaussianMixture(self.weigh(features), loc, factor)
