"""The closed-form confidence completed after training: the object's area and the visibility from frozen features."""

import math
from datetime import date
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import Dataset

from poserior.analyses.crops import batches
from poserior.calibration import ExpectedOks
from poserior.errors import InputError
from poserior.geometry import box_area
from poserior.models import ModelSpec, Regressor
from poserior.post_hoc.base import calibrated
from poserior.structures import Sample

FEWEST = 100
"""People needed: a fifth of them decides how long to learn, and of fewer than 20 it cannot tell learning from luck."""

STEPS, RATE = 300, 0.03


def closed_form(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    *,
    source: str,
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
) -> tuple[Regressor, ModelSpec]:
    """Expected OKS with a predicted area, for models that were trained without one (`Fit`; see `ExpectedOks`).

    Two linear layers on the frozen, pooled features: the logarithm of the object's share of its box (absolute error)
    and visibility (cross-entropy). They start from the model's own layers where it has them, else from constants, and
    learn by Adam on the whole set. Every fifth person is kept aside first: the number of steps that serves those best,
    which may be none, is how long each layer then learns from all. So a set with nothing to learn from changes nothing.
    The density is not touched, and the same people always give the same layers.

    The features are those of the picture itself, as at prediction time: `flip_test` makes no difference.

    Raises:
        InputError: fewer than 100 people.

    Source: CCNet (arXiv 2311.17105), section 4.4 and Table 1, "Pred".
    """
    del flip_test
    count = len(people)  # type: ignore[arg-type]  # torch's Dataset does not declare its length
    if count < FEWEST:
        raise InputError(
            f"expected at least {FEWEST} people to fit the closed form on (a fifth of them decides how long to learn),"
            f" found {count}; give more held-out people"
        )
    pooled, visibility, share = _read(model, spec, people, batch_size, workers, progress)
    start = _start(model, spec, visibility, pooled.shape[1])
    middle, spread = pooled.mean(0), pooled.std(0).clamp_min(1e-6)
    inputs = (((pooled - middle) / spread)[..., None, None], visibility, share)
    _rescale(start, middle, spread)
    aside = torch.arange(count) % 5 == 0
    losses = _learn(_fresh(start), [part[~aside] for part in inputs], STEPS, [part[aside] for part in inputs])
    steps = losses.argmin(0)
    fitted = _fresh(start)
    for n, layer in enumerate(("visibility", "area")):
        learned = _fresh(start)
        _learn(learned, list(inputs), int(steps[n]))
        getattr(fitted, layer).load_state_dict(getattr(learned, layer).state_dict())
    _rescale(fitted, -middle / spread, 1 / spread)
    best = losses.gather(0, steps[None])[0]
    facts: dict[str, Any] = {
        "method": "closed-form",
        "source": source,
        "people": count,
        "date": date.today().isoformat(),
        "steps": {"visibility": int(steps[0]), "area": int(steps[1])},
        "visibility_loss": {"before": _plain(losses[0, 0]), "after": _plain(best[0])},
        "log_area_error": {"before": _plain(losses[0, 1]), "after": _plain(best[1])},
    }
    part = {"class_path": "ExpectedOks", "init_args": {"area_per_box": spec.area_per_box}}
    state = {name: value.float() for name, value in fitted.state_dict().items()}
    return calibrated(model, spec, "calibrator", part, state, facts)


@torch.no_grad()
def _read(
    model: Regressor, spec: ModelSpec, people: Dataset[Sample], batch_size: int, workers: int, progress: bool
) -> tuple[Float[Tensor, "N C"], Int[Tensor, "N K"], Float[Tensor, "N"]]:
    """Pooled features, visibility flags and shares of the box of everybody, in float64 on the CPU."""
    device = next(model.parameters()).device
    modes = [(module, module.training) for module in model.backbone.modules()]
    model.backbone.eval()
    pooled, visibility, share = [], [], []
    for batch in batches(people, spec, "closed form", batch_size, workers, progress):
        pooled.append(model.backbone(batch.images.to(device).float() / 255).mean((2, 3)).double().cpu())
        visibility.append(batch.target.visibility)
        share.append((batch.target.area / box_area(batch.target.box_xyxy)).double())
    for module, training in modes:
        module.training = training
    return torch.cat(pooled), torch.cat(visibility), torch.cat(share)


def _start(model: Regressor, spec: ModelSpec, visibility: Int[Tensor, "N K"], channels: int) -> ExpectedOks:
    """The model's own layers where it has them; else how often each keypoint is labelled, and the mean share."""
    start = _empty(channels, visibility.shape[1], spec.area_per_box)
    labelled = ((visibility > 0).double().sum(0) + 0.5) / (len(visibility) + 1)
    with torch.no_grad():
        start.visibility.weight.zero_()
        start.visibility.bias.copy_(labelled.logit())
    if isinstance(model.calibrator, ExpectedOks):
        start.load_state_dict(
            {name: value.cpu() for name, value in model.calibrator.state_dict().items()}, strict=False
        )
    return start


def _empty(channels: int, num_keypoints: int, area_per_box: float) -> ExpectedOks:
    with torch.random.fork_rng(devices=[]):  # building a layer draws numbers that nobody needs
        return ExpectedOks(channels, num_keypoints, area_per_box).double()


def _fresh(layers: ExpectedOks) -> ExpectedOks:
    copy = _empty(layers.visibility.in_features, layers.visibility.out_features, layers.area_per_box or math.nan)
    copy.load_state_dict(layers.state_dict())
    return copy


@torch.no_grad()
def _rescale(layers: ExpectedOks, middle: Tensor, spread: Tensor) -> None:
    """The same functions of ``(features - middle) / spread``."""
    for layer in (layers.visibility, layers.area):
        assert isinstance(layer, nn.Linear)
        layer.bias.add_(layer.weight @ middle)
        layer.weight.mul_(spread)


def _learn(
    layers: ExpectedOks, inputs: list[Tensor], steps: int, aside: list[Tensor] | None = None
) -> Float[Tensor, "S 2"]:
    """Adam on both losses at once, which share no parameter; both losses on `aside` before and after every step."""
    optimiser = torch.optim.Adam(layers.parameters(), RATE)
    history = []
    for step in range(steps + 1):
        if aside is not None:
            with torch.no_grad():
                history.append(torch.stack(_losses(layers, aside)))
        if step < steps:
            optimiser.zero_grad()
            torch.stack(_losses(layers, inputs)).sum().backward()  # type: ignore[no-untyped-call]  # torch's own
            optimiser.step()
    return torch.stack(history) if history else torch.zeros(0, 2)


def _losses(layers: ExpectedOks, inputs: list[Tensor]) -> list[Tensor]:
    features, visibility, share = inputs
    return [layers.visibility_loss(features, visibility), layers.area_loss(features, share)]


def _plain(value: Tensor) -> float:
    return round(float(value), 6)
