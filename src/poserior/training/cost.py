"""What a model costs: parameters, arithmetic, and the time of a training step."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from poserior.heads import Head
from poserior.models import Regressor
from poserior.structures import Target

WARM_UP = 2


@dataclass(frozen=True)
class Cost:
    """Parameters, and the multiply-adds of one prediction.

    Attributes:
        backbone_parameters: how many.
        head_parameters: how many, those that only training needs (a flow's) included.
        backbone_flops: multiply-adds of convolutions and matrix products for one crop.
        head_flops: the same of the head's, to the density's mode.
    """

    backbone_parameters: int
    head_parameters: int
    backbone_flops: int
    head_flops: int


def model_cost(backbone: nn.Module, head: Head, image_size: tuple[int, int]) -> Cost:
    """Count, as pose papers do: one multiplication with its addition is one FLOP.

    Both parts are put in eval mode. Normalisations, activations and pooling are not counted; gradient steps of a
    head that searches for its mode are.

    Args:
        backbone: crops in [0, 1] to features.
        head: features to a density.
        image_size: the crops' ``(H, W)``.
    """
    backbone.eval()
    head.eval()
    crop = torch.zeros(1, 3, *image_size, device=next(head.parameters()).device)
    with torch.no_grad():
        with FlopCounterMode(display=False) as of_backbone:
            features = backbone(crop)
        with FlopCounterMode(display=False) as of_head:
            _ = head(features).mode
    return Cost(
        sum(parameter.numel() for parameter in backbone.parameters()),
        sum(parameter.numel() for parameter in head.parameters()),
        of_backbone.get_total_flops() // 2,
        of_head.get_total_flops() // 2,
    )


def step_seconds(
    models: Mapping[str, Regressor],
    image_size: tuple[int, int],
    batch_size: int,
    steps: int = 10,
    device: torch.device | str = "cpu",
    bf16: bool = False,
    limit: float = 60.0,
) -> dict[str, float]:
    """Median seconds of a training step of each model: loss, gradients and AdamW, on one batch without its reading.

    The models take turns, so that whatever else the machine does falls on all alike.

    Args:
        models: by name; they are trained on noise, so give fresh ones.
        image_size: the crops' ``(H, W)``.
        batch_size: crops per step.
        steps: how many are timed, after two that are not.
        device: where.
        bf16: under autocast, as ``hardware.precision`` bf16-mixed.
        limit: seconds after which no further round begins, once one is timed.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch_size, 3, *image_size, generator=generator).to(device)
    seconds: dict[str, list[float]] = {name: [] for name in models}
    targets, optimisers = {}, {}
    for name, model in models.items():
        model.to(device).train()
        targets[name] = _noise(batch_size, model.head, generator, device)
        optimisers[name] = torch.optim.AdamW(model.parameters(), lr=1e-6)
    began = time.perf_counter()
    for n in range(WARM_UP + steps):
        if n > WARM_UP and time.perf_counter() - began > limit:
            break
        for name, model in models.items():
            start = _now(device)
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
                loss = model.loss(images, targets[name])
            optimisers[name].zero_grad()
            torch.autograd.backward(loss)
            optimisers[name].step()
            seconds[name].append(_now(device) - start)
    return {name: statistics.median(times[WARM_UP:]) for name, times in seconds.items()}


def _noise(count: int, head: Head, generator: torch.Generator, device: torch.device | str) -> Target:
    """Labels of nobody, all visible."""
    keypoints: Tensor = torch.rand(count, head.num_keypoints, head.dim, generator=generator) - 0.5
    return Target(
        keypoints=keypoints.to(device),
        visibility=torch.full((count, head.num_keypoints), 2, device=device),
        area=torch.ones(count, device=device),
        box_xyxy=torch.tensor([0.0, 0.0, 1.0, 1.0], device=device).expand(count, 4),
        crop=torch.eye(2, 3, dtype=torch.float64, device=device).expand(count, 2, 3),
        image_id=tuple(range(count)),
        annotation_id=tuple(range(count)),
        head_size=torch.full((count,), torch.nan, device=device),
    )


def _now(device: torch.device | str) -> float:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
