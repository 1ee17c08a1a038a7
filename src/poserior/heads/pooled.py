"""What every direct-regression head begins with: global average pooling and one fully connected layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PooledLinear(nn.Module):
    """Features ``(B, C, H, W)`` to ``(B, K, P)``: the mean over the picture, then one linear layer.

    Runs in the layer's own precision whatever autocast says: one layer costs nothing, and coordinates need the digits.

    Args:
        in_channels: C.
        num_keypoints: K.
        outputs: P values per keypoint.
        unit_features: divide the pooled features by their length first (the location layer of RLE's public code).
    """

    def __init__(self, in_channels: int, num_keypoints: int, outputs: int, unit_features: bool = False) -> None:
        super().__init__()
        self.num_keypoints, self.unit_features = num_keypoints, unit_features
        self.linear = nn.Linear(in_channels, num_keypoints * outputs)
        nn.init.xavier_uniform_(self.linear.weight, gain=0.01)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K P"]:
        with torch.autocast(features.device.type, enabled=False):
            pooled = features.to(self.linear.weight.dtype).mean((2, 3))
            if self.unit_features:
                pooled = nn.functional.normalize(pooled, dim=1)
            outputs: Tensor = self.linear(pooled).unflatten(1, (self.num_keypoints, -1))
            return outputs


class LocationAndScale(nn.Module):
    """Features to ``loc`` and ``scale``, ``(B, K, D)`` each: one linear layer for either.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D.
        initial_scale: where the scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
        unit_features: see `PooledLinear`; for the location only.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int,
        initial_scale: float,
        scale_floor: float,
        unit_features: bool = False,
    ) -> None:
        super().__init__()
        self.scale_floor = scale_floor
        self.locate = PooledLinear(in_channels, num_keypoints, dim, unit_features)
        self.measure = PooledLinear(in_channels, num_keypoints, dim)
        nn.init.constant_(self.measure.linear.bias, raw_of_scale(initial_scale, scale_floor))

    def forward(self, features: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B K D"], Float[Tensor, "B K D"]]:
        return self.locate(features), bounded_scale(self.measure(features), self.scale_floor)


def bounded_scale(raw: Tensor, floor: float) -> Tensor:
    """``floor + (1 - floor) sigmoid(raw)``: a scale between `floor` and the crop's side; never zero, never NaN."""
    return floor + (1 - floor) * torch.sigmoid(raw)


def raw_of_scale(scale: float, floor: float) -> float:
    """The raw value that `bounded_scale` maps to `scale`, for initial biases.

    >>> round(float(bounded_scale(torch.tensor(raw_of_scale(0.1, 1e-4)), 1e-4)), 6)
    0.1
    """
    share = (scale - floor) / (1 - floor)
    return float(torch.logit(torch.tensor(share, dtype=torch.float64)))
