"""Any timm model, by name, as a map from images to one grid of features."""

import difflib
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.models import get_pretrained_cfg, split_model_name_tag
from torch import Tensor, nn

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
        if image_size is not None and _has_fixed_size(name):
            options["img_size"] = (image_size[0], image_size[1])
        body = _create(name, pretrained, weights, options)
        if getattr(body, "norm", None) is False:  # timm's getter of tokens leaves out the final norm: ask for it
            getter: Any = type(body)
            options["feature_cls"] = partial(getter, norm=True)
            body = _create(name, pretrained, weights, options)
        if weights is not None:
            _check_loaded(name, weights, options)
        self.body = body
        if image_size is not None:
            _check_patches(name, body, image_size)
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


def _create(name: str, pretrained: bool, weights: str | Path | None, options: dict[str, Any]) -> Any:
    remote = ":" in name  # e.g. "hf-hub:owner/model"
    if not remote and not timm.is_model(split_model_name_tag(name)[0]):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise InputError(
            f"expected a backbone that timm knows, found {name!r};"
            f" {'did you mean ' + ' or '.join(near) if near else 'see timm.list_models()'}?"
        )
    if weights is not None:
        if not Path(weights).is_file():
            raise InputError(f"expected a file of {name}'s weights, found none at {weights}; correct the path")
        options = {**options, "pretrained_cfg_overlay": {"file": str(weights)}}
    try:
        return timm.create_model(name, pretrained=pretrained or weights is not None, features_only=True, **options)
    except (TypeError, AssertionError, IndexError) as error:
        raise InputError(f"the backbone {name} does not take the options {options} ({error}); correct them") from error
    except Exception as error:  # the hub's and the file formats' own kinds of error have no common base
        if weights is not None:
            raise InputError(
                f"expected weights of {name} in {weights}, could not load them ({_first_line(error)});"
                " give a file that was saved from this model"
            ) from error
        if pretrained:
            raise InputError(
                f"the pretrained weights of {name} could not be had ({_first_line(error)}); connect once to fill the"
                " cache, or give a local file with weights=FILE, or start from random weights with pretrained=false"
            ) from error
        raise InputError(f"the backbone {name} cannot be built ({_first_line(error)}); correct its options") from error


def _check_loaded(name: str, weights: str | Path, options: dict[str, Any]) -> None:
    """Did the file hold all? timm passes over tensors that a file lacks, which would train from noise unnoticed."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        random = dict(_create(name, False, None, options).named_parameters())
        torch.manual_seed(0)
        loaded = _create(name, False, weights, options)
    missed = [
        key
        for key, value in loaded.named_parameters()
        if value.numel() > 1 and value.detach().std() > 0 and torch.equal(value, random[key])
    ]
    if missed:
        raise InputError(
            f"expected all weights of {name} in {weights}, found none for {missed[0]} and {len(missed) - 1} more;"
            " give a file that was saved from this model"
        )


def _has_fixed_size(name: str) -> bool:
    config = get_pretrained_cfg(name)
    return config is not None and bool(config.fixed_input_size)


def _check_patches(name: str, body: Any, image_size: tuple[int, int]) -> None:
    patch = getattr(getattr(getattr(body, "model", body), "patch_embed", None), "patch_size", None)
    if patch is not None and any(side % step for side, step in zip(image_size, patch, strict=True)):
        raise InputError(
            f"expected an image_size in multiples of {name}'s patch of {tuple(patch)} pixels, found {image_size}:"
            " the rest would be cut off; choose another size"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
