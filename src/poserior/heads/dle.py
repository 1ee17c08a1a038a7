"""Direct likelihood estimation: the flow learns the whole error density, without RLE's gradient shortcut."""

from jaxtyping import Float
from torch import Tensor

from poserior.distributions import Flow, FlowLaw, RealNVP
from poserior.heads.base import Head
from poserior.heads.pooled import LocationAndScale


class DLE(Head):
    """``-log p = -log G(e) + sum_d log scale``, ``e = (y - loc) / scale``; one flow G for all keypoints.

    Source: Li et al., ICCV 2021, Eq 5 (the baseline that RLE is measured against).

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        couplings: coupling layers of the flow.
        layers: fully connected layers of each coupling network.
        neurons: their width.
        initial_scale: where the scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        couplings: int = 6,
        layers: int = 3,
        neurons: int = 64,
        initial_scale: float = 0.1,
        scale_floor: float = 1e-4,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        self.regress = LocationAndScale(in_channels, num_keypoints, dim, initial_scale, scale_floor)
        self.law = FlowLaw(RealNVP(dim, couplings, layers, neurons))

    def forward(self, features: Float[Tensor, "B C H W"]) -> Flow:
        loc, scale = self.regress(features)
        return Flow(loc, scale, self.law)
