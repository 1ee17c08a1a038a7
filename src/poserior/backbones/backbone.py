"""Any timm model, by name, as a map from images to one grid of features."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.backbones.timm_model import check_loaded, check_patches, create, has_fixed_size
from poserior.errors import InputError


class Backbone(nn.Module):
    """A timm model cut off before its classifier: RGB in [0, 1] to features ``(B, C, h, w)``.

    The model's own mean and standard deviation (ImageNet's for most, 0.5 for many transformers) are buffers here, so
    no caller normalises. Transformers give their patch tokens, finally normalised, as a grid without the class token.

    Args:
        name: a name that `timm.list_models` knows, with or without a tag of weights (``"resnet50.a1_in1k"``). HRNet as
            pose estimation knows it takes the option ``feature_location=""``.
        pretrained: load timm's weights, from the cache or over the network.
        image_size: the crops' ``(H, W)``. Transformers are built for one size and need it; others take any.
        weights: a local file of weights of this model in place of the network's (``.safetensors`` or torch's format,
            read as plain tensors; a classifier in it is left out).
        options: passed on to timm, e.g. ``out_indices=(1,)`` (which one stage's features to give: the default -1 is the
            last), ``output_stride=16``, ``drop_path_rate=0.1``.

    Attributes:
        out_channels: C.
        stride: pixels of the image per cell of the grid.

    Raises:
        InputError: the name is unknown, the options do not fit the model, the weights cannot be had.

    >>> backbone = Backbone("resnet18", image_size=(64, 96))
    >>> backbone.out_channels, backbone.stride, tuple(backbone(torch.rand(1, 3, 64, 96)).shape)
    (512, 32, (1, 512, 2, 3))
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str = "resnet18",
        pretrained: bool = False,
        image_size: tuple[int, int] | None = None,
        weights: str | Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        options = {"out_indices": (-1,), **options}
        if isinstance(options["out_indices"], int):
            options["out_indices"] = (options["out_indices"],)
        if len(options["out_indices"]) != 1:
            raise InputError(f"expected one index in out_indices of the backbone, found {options['out_indices']}")
        if image_size is not None and has_fixed_size(name):
            options["img_size"] = (image_size[0], image_size[1])
        body = create(name, pretrained, weights, options)
        if getattr(body, "norm", None) is False:  # timm's getter of tokens leaves out the final norm: ask for it
            getter: Any = type(body)
            options["feature_cls"] = partial(getter, norm=True)
            body = create(name, pretrained, weights, options)
        if weights is not None:
            check_loaded(name, weights, options)
        self.body = body
        if image_size is not None:
            check_patches(name, body, image_size)
        self.out_channels: int = body.feature_info.channels()[-1]
        self.stride: int = body.feature_info.reduction()[-1]
        self._channels_last = str(getattr(body, "output_fmt", "NCHW")).endswith("NHWC")
        config = body.pretrained_cfg
        self.register_buffer("mean", torch.tensor(config["mean"], dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(config["std"], dtype=torch.float32).view(3, 1, 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Features of RGB images in [0, 1]."""
        features: Tensor = self.body((images - self.mean) / self.std)[0]
        return features.permute(0, 3, 1, 2) if self._channels_last else features
