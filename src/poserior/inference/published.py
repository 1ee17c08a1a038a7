"""Published weights of RLE models, as runs of this project."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from poserior import skeletons
from poserior.errors import InputError
from poserior.inference.key_maps import LAYOUTS, Weights, translate
from poserior.models import ModelSpec, build_model, save_model
from poserior.skeletons import Skeleton

VISIBLE = 10.0  # the logit of what such a model says of every keypoint's visibility: it has learned nothing about it


def import_weights(
    weights: str | Path,
    kind: str,
    output: str | Path,
    skeleton: str | Path | Skeleton = "coco17",
    image_size: tuple[int, int] = (256, 192),
) -> Path:
    """A published RLE checkpoint (2-D, ResNet) to a run folder that `poserior.load` reads.

    Three conventions change: coordinates of ``[0, 1]`` become ``[-0.5, 0.5]``; both codes count whole pixels, so that
    the first one's centre lies at 0, which adds half a crop pixel; what they subtract from and divide pictures by
    becomes the backbone's mean and standard deviation. Scales stay as they are: there is no floor but 1e-9. Visibility
    was not learned: every keypoint is taken for visible, and a person's score is the plain mean of the confidences.

    Args:
        weights: the checkpoint, torch's format (read as plain tensors) or safetensors.
        kind: ``"rle"`` for the code of the paper's authors, ``"mmpose"`` for mmpose's.
        output: the folder; ``model.yaml`` and ``model.safetensors`` are written there.
        skeleton: what the keypoints are: a name, a YAML file, or a `Skeleton`.
        image_size: the crops' ``(H, W)`` that the model was trained on; checkpoints do not tell.

    Returns:
        The folder.

    Raises:
        InputError: the file cannot be read, or is not such a model.
    """
    if kind not in LAYOUTS:
        raise InputError(f"expected kind {' or '.join(LAYOUTS)}, found {kind!r}; say whose code the weights are from")
    layout, people = LAYOUTS[kind], skeleton if isinstance(skeleton, Skeleton) else skeletons.load(skeleton)
    found = translate(_read(Path(weights)), layout, people.num_keypoints, str(weights))
    spec = ModelSpec(
        backbone={"name": found.backbone},
        head={"class_path": "RLE", "init_args": {"variant": layout.variant, "scale_floor": 1e-9, **found.flow}},
        skeleton=people,
        image_size=(image_size[0], image_size[1]),
    )
    model = build_model(spec)
    half_pixel = torch.tensor([0.5 / image_size[1], 0.5 / image_size[0]])
    found.tensors["head.regress.locate.linear.bias"] += (half_pixel + layout.shift).repeat(people.num_keypoints)
    model.backbone.mean.copy_(_column(layout.mean))
    model.backbone.std.copy_(_column(layout.std))
    _fill(model, found.tensors, str(weights))
    model.head.train()  # saving ends the training mode, which finds the flow's constants
    save_model(model, spec, Path(output))
    return Path(output)


def _fill(model: torch.nn.Module, tensors: Weights, source: str) -> None:
    """Copy every tensor to its place; of the rest only what does not come from training may be left."""
    state = model.state_dict()
    for name, value in tensors.items():
        if name not in state or state[name].shape != value.shape:
            there = "no such tensor" if name not in state else f"one of shape {tuple(state[name].shape)}"
            raise InputError(
                f"expected weights of an RLE model on a plain ResNet in {source}, found {name} of shape"
                f" {tuple(value.shape)} where this project's has {there}; give the checkpoint of such a model"
            )
    state["calibrator.visibility.weight"].zero_()
    state["calibrator.visibility.bias"].fill_(VISIBLE)
    learned = {name for name, _ in model.named_parameters() if not name.startswith("calibrator.")}
    learned |= {name for name in state if name.endswith(("running_mean", "running_var"))}
    missing = sorted(learned - tensors.keys())
    if missing:
        raise InputError(
            f"expected all weights of the model in {source}, found none for {missing[0]} and {len(missing) - 1} more;"
            " give the whole checkpoint"
        )
    for name, value in tensors.items():
        state[name].copy_(value)


def _column(values: tuple[float, float, float]) -> Float[Tensor, "3 1 1"]:
    return torch.tensor(values).view(3, 1, 1)


def _read(path: Path) -> Weights:
    """The tensors of a checkpoint by name, whatever it is wrapped in."""
    if not path.is_file():
        raise InputError(f"expected a file of weights, found none at {path}; correct the path")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(
            f"expected tensors in {path}, could not read them without running the file's code ({reason}); save its"
            " state_dict alone, with torch.save or as safetensors"
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"expected a state_dict (names and tensors) in {path}, found {type(content).__name__}")
    return {
        str(name).removeprefix("module."): value.float() if value.is_floating_point() else value
        for name, value in content.items()
        if isinstance(value, Tensor)
    }
