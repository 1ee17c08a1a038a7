"""Any pyramid of timm, from the top down to one fine map: the small backbone of a one-stage network."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from poserior.backbones.dense_base import DenseBackbone
from poserior.backbones.normalise import Normalise
from poserior.backbones.timm_model import check_loaded, create, has_fixed_size
from poserior.errors import InputError


class Upsampled(DenseBackbone):
    """A timm model's maps, from the coarsest down to `stride`, added up with `channels` channels.

    Starting with the coarsest: ``x = smooth(lateral(finer) + doubled(x))``, where `lateral` is a 1 x 1 convolution,
    doubling takes the nearest neighbour and `smooth` is a 3 x 3 convolution with a ReLU, all normalised over the
    batch. Maps finer than `stride` are not used. Lin et al., "Feature pyramid networks", 2017, with one output.

    Args:
        name: a name that `timm.list_models` knows, of a model with a pyramid of maps, e.g. ``"resnet10t"``,
            ``"mobilenetv3_small_050"``, ``"convnext_atto"``.
        channels: C of the map.
        stride: picture pixels per cell: that of one of the model's maps.
        pretrained: load timm's weights, from the cache or over the network.
        weights: a local file of weights of this model in place of the network's (``.safetensors`` or torch's format).
        depthwise: `smooth` convolves each channel for itself, then mixes them: an eighth of its arithmetic with 64
            channels.
        image_size: the pictures' ``(H, W)``, for models that are built for one size only (Swin); others take any.
        options: further arguments of the timm model, e.g. ``{"out_indices": (1, 2, 3)}`` (which maps to take: all that
            it has, unless told) or for ResNets ``{"channels": (32, 64, 128, 256)}``.

    Attributes:
        out_channels: `channels`.
        stride: as given.
        size_divisor: the coarsest map's stride.

    Raises:
        InputError: the name is unknown, the model has no pyramid with a map of `stride`, the options do not fit, the
            weights cannot be had; (in `forward`) the pictures' sides do not fit.

    >>> import torch
    >>> backbone = Upsampled("resnet10t", channels=32)
    >>> [tuple(a.shape) for a in backbone(torch.rand(1, 3, 64, 96))], backbone.size_divisor
    ([(1, 32, 16, 24)], 32)
    """

    def __init__(
        self,
        name: str = "resnet18",
        channels: int = 64,
        stride: int = 4,
        pretrained: bool = False,
        weights: str | Path | None = None,
        depthwise: bool = False,
        image_size: tuple[int, int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        options = dict(options or {})
        if channels < 1:
            raise InputError(f"expected a positive number of channels, found {channels}")
        fixed = has_fixed_size(name)
        self._only_size = image_size if fixed else None
        if fixed and image_size is not None:
            options["img_size"] = (image_size[0], image_size[1])
        self.body = create(name, pretrained, weights, options)
        if weights is not None:
            check_loaded(name, weights, options)
        strides: list[int] = self.body.feature_info.reduction()
        if not _is_pyramid(strides, stride):
            raise InputError(
                f"expected a model with a pyramid of maps from stride {stride} on, found maps of strides"
                f" {strides} in {name}; choose another model, such as resnet18, or another stride"
            )
        if fixed and image_size is None:
            raise InputError(f"expected the pictures' image_size=(H, W) for {name}, built for one size only; give it")
        self.out_channels, self.stride, self.size_divisor = channels, stride, strides[-1]
        self._first = strides.index(stride)
        self._channels_last = str(getattr(self.body, "output_fmt", "NCHW")).endswith("NHWC")
        config = self.body.pretrained_cfg
        self.normalise = Normalise(self.size_divisor, config["mean"], config["std"])
        found = self.body.feature_info.channels()[self._first :]
        self.laterals = nn.ModuleList(_convolution(c, channels, 1) for c in found)
        self.smooths = nn.ModuleList(_smooth(channels, depthwise) for _ in found[:-1])

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B C h w"]]:
        images = self.normalise(images)
        if self._only_size is not None and images.shape[-2:] != tuple(self._only_size):
            raise InputError(
                f"expected pictures of {tuple(self._only_size)}, the image_size this backbone was built for, found"
                f" {tuple(images.shape[-2:])}; resize or fill them up"
            )
        maps: list[Tensor] = self.body(images)[self._first :]
        if self._channels_last:
            maps = [a.permute(0, 3, 1, 2) for a in maps]
        flat = [lateral(a) for lateral, a in zip(self.laterals, maps, strict=True)]
        x = flat.pop()
        for smooth, finer in zip(reversed(self.smooths), reversed(flat), strict=True):
            x = smooth(finer + functional.interpolate(x, finer.shape[-2:], mode="nearest"))
        return [x]


def _is_pyramid(strides: list[int], first: int) -> bool:
    """Is there a map of stride `first`, and is each further one a whole number of times as coarse?"""
    if first not in strides:
        return False
    used = strides[strides.index(first) :]
    return all(coarse % fine == 0 for fine, coarse in pairwise(used))


def _convolution(in_channels: int, channels: int, side: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, side, padding=side // 2, groups=groups, bias=False), nn.BatchNorm2d(channels)
    )


def _smooth(channels: int, depthwise: bool) -> nn.Sequential:
    if depthwise:
        each, mix = _convolution(channels, channels, 3, groups=channels), _convolution(channels, channels, 1)
        return nn.Sequential(*each, *mix, nn.ReLU(inplace=True))
    return nn.Sequential(*_convolution(channels, channels, 3), nn.ReLU(inplace=True))
