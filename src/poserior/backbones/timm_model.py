"""Models of timm by name, with errors that say what to do."""

import difflib
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg, split_model_name_tag

from poserior.errors import InputError


def create(name: str, pretrained: bool, weights: str | Path | None, options: dict[str, Any]) -> Any:
    """The model cut off before its classifier, or an `InputError` that says why there is none."""
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


def check_loaded(name: str, weights: str | Path, options: dict[str, Any]) -> None:
    """Did the file hold all? timm passes over tensors that a file lacks, which would train from noise unnoticed."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        random = dict(create(name, False, None, options).named_parameters())
        torch.manual_seed(0)
        loaded = create(name, False, weights, options)
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


def has_fixed_size(name: str) -> bool:
    """Is it built for pictures of one size?"""
    config = get_pretrained_cfg(name)
    return config is not None and bool(config.fixed_input_size)


def check_patches(name: str, body: Any, image_size: tuple[int, int]) -> None:
    """Is the picture cut into whole patches?"""
    patch = getattr(getattr(getattr(body, "model", body), "patch_embed", None), "patch_size", None)
    if patch is not None and any(side % step for side, step in zip(image_size, patch, strict=True)):
        raise InputError(
            f"expected an image_size in multiples of {name}'s patch of {tuple(patch)} pixels, found {image_size}:"
            " the rest would be cut off; choose another size"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
