"""The heatmap head: one map per keypoint, trained on Gaussian bumps by mean squared error."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions import Distribution, Grid
from poserior.heads.base import Head
from poserior.heads.decoding import DECODINGS, Decoding, decode
from poserior.heads.deconvolution import Deconvolution
from poserior.heads.soft_argmax import cell_squares

FLOOR = 1e-6  # added to the map before it is normalised: a map that is negative everywhere is still a law


class HeatmapGrid(Grid):
    """The law of a heatmap: ``max(map, 0)`` normalised over the cells, with the raw map beside it for the loss.

    Args:
        maps: ``(B, K, [Z,] H, W)``.
        offset: the decoded place in the highest cell, ``(B, K, D)``.
    """

    def __init__(self, maps: Float[Tensor, "B K *cells"], offset: Float[Tensor, "B K D"]) -> None:
        self.maps = maps
        super().__init__((maps.clamp_min(0) + FLOOR).log(), dim=maps.dim() - 2, offset=offset)


class Heatmap(Head):
    """``mean over cells (map - exp(-|cell - y|^2 / (2 target_scale^2)))^2``, distances in cells of the map.

    The bump is rendered around the label itself, not around its cell. A keypoint whose bump lies wholly (three
    `target_scale`) outside the map has loss 0, as in the paper; every other keypoint has weight 1.

    The density is the map, negative values cut off, normalised over the cells and divided by the cells' size. Nothing
    in the loss asks for that to be a good density: a perfect map is a Gaussian of `target_scale` cells whatever
    the labels' noise, and faint background adds up over thousands of cells. Its `mode` is the decoded point. Decoding
    moves it within the highest cell only, and on a density that is constant on cells every point there is a maximum.

    Source: Xiao et al., "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018; decoding: see `decode`.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        num_deconvolutions: how often the features' resolution is doubled.
        channels: width of the transposed convolutions.
        target_scale: standard deviation of the target's bump in cells of the map.
        decoding: ``"argmax"``, ``"quarter"`` or ``"dark"``.
        depth_cells: cells along the third axis; used in three dimensions only.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        num_deconvolutions: int = 3,
        channels: int = 256,
        target_scale: float = 2.0,
        decoding: Decoding = "dark",
        depth_cells: int = 64,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        if decoding not in DECODINGS:
            raise ValueError(f"expected decoding 'argmax', 'quarter' or 'dark', found {decoding!r}")
        if not target_scale > 0:
            raise ValueError(f"expected a positive target_scale (cells of the map), found {target_scale}")
        self.decoding: Decoding = decoding
        self.target_scale = target_scale
        depth = depth_cells if dim == 3 else None
        self.draw = Deconvolution(in_channels, num_keypoints, num_deconvolutions, channels, depth)

    def forward(self, features: Float[Tensor, "B C H W"]) -> HeatmapGrid:
        maps = self.draw(features)
        with torch.no_grad():
            offset = decode(maps, self.decoding, self.target_scale)
        return HeatmapGrid(maps, offset)

    def penultimate(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B P h w"]:
        """The features after the deconvolutions."""
        raised: Tensor = self.draw.stem(features)
        return raised

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """Mean squared error of the map per keypoint; 0 where the label's bump lies wholly outside the map."""
        assert isinstance(distribution, HeatmapGrid)
        bump = torch.exp(-0.5 * cell_squares(distribution.maps, target) / self.target_scale**2)
        error = (distribution.maps - bump).square().flatten(2).mean(-1)
        place = (target + 0.5) * distribution.counts
        reach = 3 * self.target_scale
        seen = ((place > -reach) & (place < distribution.counts + reach)).all(-1)
        return torch.where(seen, error, 0.0)
