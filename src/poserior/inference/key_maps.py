"""What the weights of published RLE models are called, and what they are called here."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from poserior.errors import InputError

Weights = dict[str, Tensor]

RESNETS = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}
"""Blocks of each stage, and whether these are bottlenecks."""


@dataclass(frozen=True)
class Layout:
    """How one code writes an RLE model down.

    Attributes:
        variant: of `heads.RLE`.
        backbone: pattern before the ResNet's own names.
        flow: pattern before ``s.0.0.weight``, ``t.0.0.weight``, ``mask``...
        regression: the fully connected layers' weights to those of location and scale, ``(2 K, C)`` and ``(2 K,)``
            each; what they are made of is taken out.
        shift: added to locations, to come to [-0.5, 0.5].
        mean: subtracted from RGB in [0, 1].
        std: divided by after that.
    """

    variant: str
    backbone: str
    flow: str
    regression: Callable[[Weights], tuple[Weights, Weights]]
    shift: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass
class Translation:
    """A model in this project's names.

    Attributes:
        tensors: all that was learned.
        backbone: which ResNet.
        flow: its size, as arguments of `heads.RLE`.
    """

    tensors: Weights
    backbone: str
    flow: dict[str, int]


def translate(weights: Weights, layout: Layout, num_keypoints: int, source: str) -> Translation:
    """A published state dict in this project's names.

    Raises:
        InputError: names or shapes are not those of a 2-D RLE model on a ResNet.
    """
    left = dict(weights)
    body, flow = _take(left, layout.backbone), _take(left, layout.flow)
    body = {name: value for name, value in body.items() if not name.startswith("fc.")}
    try:
        regression = layout.regression(left)
    except KeyError as error:
        raise InputError(
            f"expected {error.args[0]} in {source}, as an RLE model of this kind has it, found none; choose the other"
            " kind, or the checkpoint of an RLE model"
        ) from None
    unknown = [name for name in left if not name.endswith("num_batches_tracked")]
    if unknown:
        raise InputError(
            f"expected an RLE model on a plain ResNet in {source}, found {unknown[0]} and {len(unknown) - 1} more"
            " tensors that it has no place for; give another checkpoint"
        )
    tensors = {f"backbone.body.{name}": value for name, value in body.items()}
    for name, layer in zip(("locate", "measure"), regression, strict=True):
        if len(layer["bias"]) != 2 * num_keypoints or layer["weight"].shape[0] != 2 * num_keypoints:
            raise InputError(
                f"expected {num_keypoints} keypoints in 2-D in {source}, found {len(layer['bias'])} coordinates;"
                " choose the skeleton that the model was trained on"
            )
        tensors |= {f"head.regress.{name}.linear.{key}": value.clone() for key, value in layer.items()}
    size, couplings = _flow(flow, source)
    return Translation(tensors | couplings, _resnet(body, source), size)


def _take(weights: Weights, prefix: str) -> Weights:
    """Take the entries out whose names begin with a pattern; the rests of their names."""
    found = {name: match.end() for name in weights if (match := re.match(prefix, name))}
    return {name[end:]: weights.pop(name) for name, end in found.items()}


def _resnet(body: Weights, source: str) -> str:
    blocks = [{name.split(".")[1] for name in body if name.startswith(f"layer{stage}.")} for stage in range(1, 5)]
    shape = tuple(map(len, blocks)), "layer1.0.conv3.weight" in body
    if shape not in RESNETS:
        raise InputError(
            f"expected a ResNet of 18, 34, 50, 101 or 152 layers in {source}, found stages of {shape[0]} blocks;"
            " other backbones cannot be imported"
        )
    return RESNETS[shape]


def _flow(flow: Weights, source: str) -> tuple[dict[str, int], Weights]:
    """A RealNVP's networks ``s`` and ``t``, one by one, to this project's stacks."""
    mask = flow.pop("mask", None)
    for name, expected in (("loc", torch.zeros(2)), ("cov", torch.eye(2))):
        prior = flow.pop(name, expected)
        if not torch.equal(prior, expected):
            raise InputError(f"expected a standard normal prior of the flow in {source}, found {name} {prior.tolist()}")
    names = [re.fullmatch(r"([st])\.(\d+)\.(\d+)\.(weight|bias)", name) for name in flow]
    if not names or not all(names):
        strange = next((name for name, match in zip(flow, names, strict=True) if not match), "no flow at all")
        raise InputError(f"expected a RealNVP flow (s.0.0.weight, t.0.0.weight, ...) in {source}, found {strange}")
    couplings = 1 + max(int(match[2]) for match in names if match)
    places = sorted({int(match[3]) for match in names if match})
    usual = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(couplings, 1)[:couplings]
    if mask is not None and not torch.equal(mask.float(), usual):
        raise InputError(
            f"expected a flow whose masks alternate from [0, 1] in {source}, found {mask.tolist()}; others cannot be"
            " imported"
        )
    stacks: Weights = {}
    for i, place in enumerate(places):
        for kind, ours in (("weight", "weights"), ("bias", "biases")):
            try:
                nets = [[flow[f"{net}.{n}.{place}.{kind}"] for net in "st"] for n in range(couplings)]
                stack = torch.stack([torch.stack(pair) for pair in nets])
            except (KeyError, RuntimeError) as error:
                raise InputError(
                    f"expected {couplings} couplings with networks of one size in the flow of {source}, found"
                    f" otherwise ({str(error).splitlines()[0]}); give the whole checkpoint"
                ) from None
            stacks[f"head.law.flow.{ours}.{i}"] = stack if kind == "weight" else stack[..., None]
    width = stacks["head.law.flow.weights.0"].shape[2]
    return {"couplings": couplings, "layers": len(places), "neurons": width}, stacks


def _apart(weights: Weights) -> tuple[Weights, Weights]:
    """The authors' code: one layer for locations, one for scales."""
    coord, sigma = (
        {key: weights[f"{layer}.linear.{key}"] for key in ("weight", "bias")} for layer in ("fc_coord", "fc_sigma")
    )
    for layer in ("fc_coord", "fc_sigma"):
        for key in ("weight", "bias"):
            del weights[f"{layer}.linear.{key}"]
    return coord, sigma


def _together(weights: Weights) -> tuple[Weights, Weights]:
    """mmpose: one layer, for each keypoint two coordinates and two scales in a row."""
    prefix = "keypoint_head" if "keypoint_head.fc.weight" in weights else "head"
    layer = {key: weights[f"{prefix}.fc.{key}"] for key in ("weight", "bias")}
    for key in layer:
        del weights[f"{prefix}.fc.{key}"]
    parts = {key: value.reshape(-1, 2, 2, *value.shape[1:]) for key, value in layer.items() if len(value) % 4 == 0}
    if len(parts) < 2:
        raise KeyError(f"{prefix}.fc.weight with 4 outputs for each keypoint")
    first, second = ({key: value[:, n].flatten(0, 1) for key, value in parts.items()} for n in (0, 1))
    return first, second


LAYOUTS = {
    "rle": Layout(
        variant="official",
        backbone=r"preact\.",
        flow=r"flow\.",
        regression=_apart,
        shift=0.0,
        mean=(0.406, 0.457, 0.480),  # in this order for RGB, and without a division
        std=(1.0, 1.0, 1.0),
    ),
    "mmpose": Layout(
        variant="mmpose",
        backbone=r"backbone\.",
        flow=r"(keypoint_head|head)\.((loss|loss_module)\.)?flow_model\.",
        regression=_together,
        shift=-0.5,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
}
