"""What every backbone of a one-stage network does first."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normalise(nn.Module):
    """``(images - mean) / std`` of RGB in [0, 1], once the pictures' sides are found to fit.

    Args:
        size_divisor: what both sides have to be multiples of.
        mean: of each colour.
        std: standard deviation of each colour.

    Raises:
        InputError: (in `forward`) a side is no multiple of `size_divisor`.

    >>> normalise = Normalise(32, mean=(0.5, 0.5, 0.25), std=(0.5, 0.25, 0.25))
    >>> normalise(torch.ones(1, 3, 32, 64))[0, :, 0, 0]
    tensor([1., 2., 3.])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, size_divisor: int, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.size_divisor = size_divisor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(3, 1, 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """The same pictures about zero."""
        height, width = images.shape[-2:]
        if height % self.size_divisor or width % self.size_divisor or not height * width:
            raise InputError(
                f"expected pictures with sides that are multiples of {self.size_divisor} pixels for this backbone,"
                f" found {height} x {width}; resize or fill them up"
            )
        return (images - self.mean) / self.std
