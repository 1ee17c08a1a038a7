"""The contract of every backbone of a one-stage network."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class DenseBackbone(nn.Module, ABC):
    """RGB in [0, 1] ``(B, 3, H, W)`` to feature maps ``(B, C, H / stride, W / stride)``.

    Mean and standard deviation are buffers inside, so no caller normalises. H and W have to be multiples of
    `size_divisor`.

    Attributes:
        out_channels: C.
        stride: picture pixels per cell.
        size_divisor: what the picture's sides have to be multiples of.
        stacks: how many maps `forward` gives; in training all are supervised, a prediction uses the last.
    """

    out_channels: int
    stride: int = 4
    size_divisor: int = 32
    stacks: int = 1

    @abstractmethod
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        """The maps, one per stack."""
