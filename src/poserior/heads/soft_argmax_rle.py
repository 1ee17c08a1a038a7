"""RLE on high-resolution features: the location by soft-argmax, the scale by a linear layer."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from poserior.heads.pooled import PooledLinear
from poserior.heads.rle import RLE, Variant
from poserior.heads.soft_argmax import SoftArgmax, SoftArgmaxAndScale


class SoftArgmaxRLE(RLE):
    """`RLE` with ``loc = sum_cells softmax(map / temperature) * centre``: loss, flow and density are RLE's.

    The paper's way with HRNet. There the scale comes from a classification branch; here location and scale see the
    same features. For features of low resolution (a ResNet's last stage) set `num_deconvolutions`. A soft-argmax
    never leaves the crop; RLE's own linear layer does.

    Source: Li et al., ICCV 2021, Table 2b.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        num_deconvolutions: how often the features' resolution is doubled; 0 for high-resolution features.
        channels: width of the transposed convolutions.
        temperature: below 1 the map is sharpened.
        depth_cells: cells along the third axis; used in three dimensions only.
        base: see `RLE`.
        variant: see `RLE`.
        log_s: see `RLE`.
        log_s_points: see `RLE`.
        couplings: coupling layers of the flow.
        layers: fully connected layers of each coupling network.
        neurons: their width.
        initial_scale: where the scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
        error_clamp: see `RLE`.
        flows: see `RLE`.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        num_deconvolutions: int = 0,
        channels: int = 256,
        temperature: float = 1.0,
        depth_cells: int = 64,
        base: Literal["laplace", "gaussian"] = "laplace",
        variant: Variant = "paper",
        log_s: bool = False,
        log_s_points: int = 32,
        couplings: int = 6,
        layers: int = 3,
        neurons: int = 64,
        initial_scale: float = 0.5,
        scale_floor: float = 1e-4,
        error_clamp: float = 100.0,
        flows: Literal["shared", "joint"] = "shared",
    ) -> None:
        super().__init__(
            in_channels,
            num_keypoints,
            dim,
            base,
            variant,
            log_s,
            log_s_points,
            couplings,
            layers,
            neurons,
            initial_scale,
            scale_floor,
            error_clamp,
            flows,
        )
        locate = SoftArgmax(in_channels, num_keypoints, dim, num_deconvolutions, channels, temperature, depth_cells)
        measure = PooledLinear(in_channels, num_keypoints, dim)
        self.regress: SoftArgmaxAndScale = SoftArgmaxAndScale(locate, measure, initial_scale, scale_floor)

    def penultimate(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B P h w"]:
        """The features after the deconvolutions."""
        raised: Tensor = self.regress.locate.draw.stem(features)
        return raised
