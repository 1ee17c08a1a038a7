"""RLE with heatmaps beside it while it trains."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from poserior.distributions import Distribution, LocScale, StandardLaw
from poserior.heads.heatmap import Heatmap, HeatmapGrid
from poserior.heads.rle import RLE


class FlowAndMaps(LocScale):
    """RLE's density, and in training the heatmaps of the same features.

    Args:
        loc: ``(B, K, D)``.
        scale: ``(B, K, D)``.
        law: the flow's, or the flows'.
        maps: what the auxiliary branch says; None at inference.
    """

    def __init__(
        self, loc: Float[Tensor, "B K D"], scale: Float[Tensor, "B K D"], law: StandardLaw, maps: HeatmapGrid | None
    ) -> None:
        super().__init__(loc, scale, law)
        self.maps = maps


class AuxiliaryHeatmapRLE(RLE):
    """RLE's loss ``+ heatmap_weight * mean over cells (map - bump)^2``, the maps from deconvolutions of the features.

    The deconvolutions stand beside the linear layers and see the same features; at inference they do not run, and the
    density is RLE's. Source: Li et al., ICCV 2021, Table 14 (where it brings nothing).

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        heatmap_weight: of the heatmaps' loss; `Heatmap` says what that loss is.
        num_deconvolutions: how often the features' resolution is doubled.
        channels: width of the transposed convolutions.
        depth_cells: the maps' cells along the third axis; used in three dimensions only.
        options: see `RLE`.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        heatmap_weight: float = 1.0,
        num_deconvolutions: int = 3,
        channels: int = 256,
        depth_cells: int = 64,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim, **options)
        if heatmap_weight < 0:
            raise ValueError(f"expected a heatmap_weight of 0 or more, found {heatmap_weight}")
        self.heatmap_weight = heatmap_weight
        self.auxiliary = Heatmap(
            in_channels, num_keypoints, dim, num_deconvolutions, channels, decoding="argmax", depth_cells=depth_cells
        )

    def forward(self, features: Float[Tensor, "B C H W"]) -> FlowAndMaps:
        flow = super().forward(features)
        return FlowAndMaps(flow.loc, flow.scale, flow.law, self.auxiliary(features) if self.training else None)

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """RLE's loss, and the heatmaps' where the distribution was predicted in training."""
        loss = super().loss(distribution, target)
        if not isinstance(distribution, FlowAndMaps) or distribution.maps is None:
            return loss
        return loss + self.heatmap_weight * self.auxiliary.loss(distribution.maps, target)
