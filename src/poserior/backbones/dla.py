"""DLA-34 with its maps gathered at stride 4, by deformable or plain convolutions."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

from poserior.backbones.dense_base import DenseBackbone
from poserior.backbones.normalise import Normalise
from poserior.backbones.timm_model import check_loaded, create
from poserior.errors import InputError


class DLA34(DenseBackbone):
    """timm's DLA-34, whose maps of strides 4, 8, 16 and 32 are gathered at stride 4 with 64 channels.

    Three rounds start at strides 16, 8 and 4: each brings all coarser maps, one after the other, to the stride where
    it starts. What the rounds end with (64, 128 and 256 channels) is then joined once more. Each joining is
    ``node(fine + doubled(project(coarse)))`` with two 3 x 3 convolutions and a learned transposed convolution that
    starts as bilinear interpolation.

    Yu, Wang, Shelhamer and Darrell, "Deep layer aggregation", 2018; with deformable convolutions as in Zhou, Wang and
    Kraehenbuehl, "Objects as points", 2019. Convolutions have no bias where a normalisation follows.

    Args:
        up: "deformable" (see `Deformable`) or "plain" 3 x 3 convolutions.
        pretrained: load timm's ImageNet weights of the trunk, from the cache or over the network.
        weights: a local file of them in place of the network's (``.safetensors`` or torch's format).

    Attributes:
        out_channels: 64.

    Raises:
        InputError: `up` is neither, or the weights cannot be had; (in `forward`) the pictures' sides are no multiples
            of 32.

    >>> dla = DLA34(up="plain")
    >>> [tuple(a.shape) for a in dla(torch.rand(1, 3, 64, 96))]
    [(1, 64, 16, 24)]
    """

    def __init__(self, up: str = "deformable", pretrained: bool = False, weights: str | Path | None = None) -> None:
        super().__init__()
        if up not in _CONVOLUTIONS:
            raise InputError(f"expected up={' or '.join(map(repr, _CONVOLUTIONS))} for DLA34, found {up!r}")
        options = {"out_indices": (2, 3, 4, 5)}  # strides 4 to 32
        self.trunk = create("dla34", pretrained, weights, options)
        if weights is not None:
            check_loaded("dla34", weights, options)
        config = self.trunk.pretrained_cfg
        self.normalise = Normalise(self.size_divisor, config["mean"], config["std"])
        self.gather = Gather(self.trunk.feature_info.channels(), _CONVOLUTIONS[up])
        self.out_channels: int = self.trunk.feature_info.channels()[0]

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        return [self.gather(self.trunk(self.normalise(images)))]


class Gather(nn.Module):
    """Maps of strides s, 2s, 4s, ... with `channels` each to one map of stride s with the first's channels.

    Args:
        channels: of the maps, finest first.
        convolution: makes a 3 x 3 convolution of (channels in, channels out).
    """

    def __init__(self, channels: Sequence[int], convolution: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        last = len(channels) - 1
        self.rounds = nn.ModuleList(
            nn.ModuleList(Join(channels[n + 1], channels[n], 2, convolution) for _ in range(last - n))
            for n in range(last)
        )
        self.finish = nn.ModuleList(Join(channels[n], channels[0], 2**n, convolution) for n in range(1, last))

    def forward(self, maps: list[Tensor]) -> Float[Tensor, "B C h w"]:
        """The finest map, which all others have flowed into."""
        maps = list(maps)
        ends: list[Tensor] = []
        for n in reversed(range(len(self.rounds))):
            joins: Iterable[nn.Module] = self.rounds[n]  # type: ignore[assignment]
            for i, join in enumerate(joins, start=n + 1):
                maps[i] = join(maps[i - 1], maps[i])
            ends.insert(0, maps[-1])
        gathered = ends[0]
        for join, coarse in zip(self.finish, ends[1:], strict=True):
            gathered = join(gathered, coarse)
        return gathered


class Join(nn.Module):
    """A coarse map and one `factor` times finer, as one map of the finer's shape."""

    def __init__(
        self, in_channels: int, channels: int, factor: int, convolution: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        self.project = _normalised(convolution(in_channels, channels), channels)
        self.enlarge = enlarging(channels, factor)
        self.node = _normalised(convolution(channels, channels), channels)

    def forward(self, fine: Float[Tensor, "B C H W"], coarse: Float[Tensor, "B D h w"]) -> Float[Tensor, "B C H W"]:
        """``node(fine + enlarge(project(coarse)))``."""
        joined: Tensor = self.node(fine + self.enlarge(self.project(coarse)))
        return joined


class Deformable(nn.Module):
    """A 3 x 3 convolution that looks at nine places of its own choice, with a weight in [0, 1] for each.

    ``y(p) = sum_n w_n m_n(p) x(p + p_n + d_n(p))``, x interpolated bilinearly, where a plain convolution of x gives
    the displacements d and, through a sigmoid, the weights m. That convolution starts at zero: at first this is half a
    plain convolution. Computed in the weights' own precision whatever the autocast, for positions in bfloat16 lie half
    a cell apart from the 64th on.

    Zhu, Hu, Lin and Dai, "Deformable ConvNets v2", 2019.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.where = nn.Conv2d(in_channels, 27, 3, padding=1)
        nn.init.zeros_(self.where.weight)
        nn.init.zeros_(self.where.bias)  # type: ignore[arg-type]
        self.convolution = DeformConv2d(in_channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D h w"]:
        """The convolved map, of the same size."""
        with _no_autocast(x.device.type):
            x = x.to(self.convolution.weight.dtype)
            where = self.where(x)
            convolved: Tensor = self.convolution(x, where[:, :18], where[:, 18:].sigmoid())
        return convolved


def enlarging(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A map, each channel for itself, `factor` times as large: learned, and bilinear to begin with.

    Away from the border it equals ``interpolate(mode="bilinear", align_corners=False)``; `factor` is even.
    """
    up = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, groups=channels, bias=False)
    tent = 1 - (torch.arange(2 * factor) + 0.5 - factor).abs() / factor
    with torch.no_grad():
        up.weight.copy_(tent[:, None] * tent)
    return up


def _no_autocast(device: str) -> AbstractContextManager[None]:
    available = torch.amp.autocast_mode.is_autocast_available(device)  # not on "meta"
    return torch.autocast(device, enabled=False) if available else nullcontext()


def _plain(in_channels: int, channels: int) -> nn.Module:
    return nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)


def _normalised(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


_CONVOLUTIONS: dict[str, Callable[[int, int], nn.Module]] = {"deformable": Deformable, "plain": _plain}
