"""Soft-argmax: the mean of a normalised map as the location."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions.grid import marginals
from poserior.heads.deconvolution import Deconvolution
from poserior.heads.pooled import PooledLinear, bounded_scale, raw_of_scale


def cell_centres(count: int, like: Tensor) -> Float[Tensor, "N"]:
    """Centres of `count` cells across the crop, crop-normalised.

    >>> cell_centres(4, torch.zeros(1)).tolist()
    [-0.375, -0.125, 0.125, 0.375]
    """
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) / count - 0.5


def cell_squares(maps: Float[Tensor, "B K *cells"], point: Float[Tensor, "B K D"]) -> Float[Tensor, "B K *cells"]:
    """Squared distance, in cells, from each cell's centre to a crop-normalised point ``(x, y[, z])``."""
    dim = point.shape[-1]
    total = torch.zeros_like(maps)
    for axis in range(dim):
        count = maps.shape[-1 - axis]
        away = count * (cell_centres(count, maps) - point[..., axis, None])
        total = total + away.square().reshape(*point.shape[:-1], *[1] * (dim - 1 - axis), count, *[1] * axis)
    return total


def soft_argmax(log_map: Float[Tensor, "B K *cells"]) -> Float[Tensor, "B K D"]:
    """Mean of the cells' centres under a map of log masses: ``(x, y[, z])``, crop-normalised."""
    parts = marginals(log_map.exp(), log_map.dim() - 2)
    return torch.stack([part @ cell_centres(part.shape[-1], part) for part in parts], -1)


class SoftArgmax(nn.Module):
    """Features to a normalised map, ``log softmax(maps / temperature)``, and its mean.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        num_deconvolutions: how often the features' resolution is doubled; 0 for high-resolution features.
        channels: width of the transposed convolutions.
        temperature: below 1 the map is sharpened.
        depth_cells: cells along the third axis; used in three dimensions only.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int,
        num_deconvolutions: int,
        channels: int,
        temperature: float,
        depth_cells: int,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"expected a positive temperature, found {temperature}")
        self.temperature = temperature
        depth = depth_cells if dim == 3 else None
        self.draw = Deconvolution(in_channels, num_keypoints, num_deconvolutions, channels, depth)

    def log_map(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K *cells"]:
        """Log masses that sum to one over the cells."""
        maps: Tensor = self.draw(features) / self.temperature
        return maps.flatten(2).log_softmax(-1).reshape(maps.shape)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K D"]:
        return soft_argmax(self.log_map(features))


class SoftArgmaxAndScale(nn.Module):
    """Features to ``loc`` by soft-argmax and ``scale`` by a linear layer on the pooled features, ``(B, K, D)`` each.

    Args:
        locate: features to locations.
        measure: features to raw scales, ``(B, K, D)``.
        initial_scale: where the scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
    """

    def __init__(self, locate: SoftArgmax, measure: PooledLinear, initial_scale: float, scale_floor: float) -> None:
        super().__init__()
        self.locate, self.measure, self.scale_floor = locate, measure, scale_floor
        nn.init.constant_(measure.linear.bias, raw_of_scale(initial_scale, scale_floor))

    def forward(self, features: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B K D"], Float[Tensor, "B K D"]]:
        return self.locate(features), bounded_scale(self.measure(features), self.scale_floor)
