"""Hourglass-104: a network that looks at the whole picture and returns to fine cells, several times in a row."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from poserior.backbones.dense_base import DenseBackbone
from poserior.backbones.normalise import Normalise
from poserior.errors import InputError


class Hourglass104(DenseBackbone):
    """Stacked hourglasses of residual blocks at stride 4, one map per stack.

    A stem (7 x 7 convolution and a residual block, stride 2 each) is followed by `stacks` hourglasses. An hourglass
    halves its map ``L = len(dims) - 1`` times by strided residual blocks, and adds on the way back, at every width,
    the coarse map doubled to its nearest neighbours to the fine one. A 3 x 3 convolution then gives the stack's map;
    hourglass and map, merged by 1 x 1 convolutions, are what the next stack reads.

    Law and Deng, "CornerNet", 2018, section 3.5; Zhou, Wang and Kraehenbuehl, "Objects as points", 2019. As there,
    the network starts from random weights; no pretrained ones are known.

    Args:
        stacks: how many hourglasses.
        dims: channels at the L + 1 widths of an hourglass, widest map first.
        modules: residual blocks at each of them; the last counts those of the coarsest map.
        channels: of the maps that are given out.
        stem: channels of the first convolution.

    Attributes:
        out_channels: `channels`.
        size_divisor: ``4 * 2 ** L``: 128.
        stacks: as given.

    Raises:
        InputError: `dims` and `modules` differ in length, or a number is not positive; (in `forward`) the pictures'
            sides do not fit.

    >>> import torch
    >>> small = Hourglass104(stacks=2, dims=(8, 12), modules=(1, 2), channels=16, stem=4)
    >>> [tuple(a.shape) for a in small(torch.rand(1, 3, 64, 96))], small.size_divisor
    ([(1, 16, 16, 24), (1, 16, 16, 24)], 8)
    """

    def __init__(
        self,
        stacks: int = 2,
        dims: Sequence[int] = (256, 256, 384, 384, 384, 512),
        modules: Sequence[int] = (2, 2, 2, 2, 2, 4),
        channels: int = 256,
        stem: int = 128,
    ) -> None:
        super().__init__()
        if len(dims) != len(modules) or len(dims) < 2:
            raise InputError(
                f"expected as many dims as modules for an hourglass, at least 2, found {len(dims)} and {len(modules)}"
            )
        if min(stacks, channels, stem, *dims, *modules) < 1:
            raise InputError(
                "expected positive whole numbers for an hourglass, found"
                f" stacks {stacks}, dims {tuple(dims)}, modules {tuple(modules)}, channels {channels}, stem {stem}"
            )
        self.out_channels, self.stacks = channels, stacks
        self.size_divisor = self.stride * 2 ** (len(dims) - 1)
        width = dims[0]
        self.normalise = Normalise(self.size_divisor)
        self.stem = nn.Sequential(_convolution(3, stem, 7, stride=2), nn.ReLU(inplace=True), Residual(stem, width, 2))
        self.hourglasses = nn.ModuleList(Hourglass(dims, modules) for _ in range(stacks))
        self.outs = nn.ModuleList(
            nn.Sequential(_convolution(width, channels, 3), nn.ReLU(inplace=True)) for _ in range(stacks)
        )
        self.from_before = nn.ModuleList(_convolution(width, width, 1) for _ in range(stacks - 1))
        self.from_map = nn.ModuleList(_convolution(channels, width, 1) for _ in range(stacks - 1))
        self.merged = nn.ModuleList(Residual(width, width) for _ in range(stacks - 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        before = self.stem(self.normalise(images))
        maps = [self.outs[0](self.hourglasses[0](before))]
        for n in range(1, self.stacks):
            both = functional.relu(self.from_before[n - 1](before) + self.from_map[n - 1](maps[-1]))
            before = self.merged[n - 1](both)
            maps.append(self.outs[n](self.hourglasses[n](before)))
        return maps


class Hourglass(nn.Module):
    """Down to the coarsest map and back: ``(B, dims[0], h, w)`` to the same shape."""

    def __init__(self, dims: Sequence[int], modules: Sequence[int]) -> None:
        super().__init__()
        (fine, coarse), count = dims[:2], modules[0]
        self.across = nn.Sequential(*(Residual(fine, fine) for _ in range(count)))
        self.down = nn.Sequential(Residual(fine, coarse, 2), *(Residual(coarse, coarse) for _ in range(count - 1)))
        self.within: nn.Module = (
            Hourglass(dims[1:], modules[1:])
            if len(dims) > 2
            else nn.Sequential(*(Residual(coarse, coarse) for _ in range(modules[1])))
        )
        self.back = nn.Sequential(*(Residual(coarse, coarse) for _ in range(count - 1)), Residual(coarse, fine))

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Every cell has seen the whole picture."""
        around: Tensor = self.back(self.within(self.down(x)))
        across: Tensor = self.across(x)
        return across + functional.interpolate(around, scale_factor=2.0, mode="nearest")


class Residual(nn.Module):
    """Two 3 x 3 convolutions and a way past them, projected where channels or size change."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(in_channels, channels, 3, stride)
        self.second = _convolution(channels, channels, 3)
        same = in_channels == channels and stride == 1
        self.past: nn.Module = nn.Identity() if same else _convolution(in_channels, channels, 1, stride)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """``relu(past(x) + second(relu(first(x))))``."""
        return functional.relu(self.past(x) + self.second(functional.relu(self.first(x))))


def _convolution(in_channels: int, channels: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, side, stride, padding=side // 2, bias=False), nn.BatchNorm2d(channels)
    )
