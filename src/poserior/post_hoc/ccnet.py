"""``--method ccnet``: a confidence learned from how right the frozen model is on held-out people."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from poserior.calibration import CCNet
from poserior.calibration.ccnet import Inputs, Loss
from poserior.models import ModelSpec, Regressor
from poserior.post_hoc.base import calibrated
from poserior.post_hoc.features import see_people
from poserior.post_hoc.net import NetSettings, train_net
from poserior.structures import Sample


def ccnet(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    *,
    source: str,
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    inputs: Inputs = "features",
    hidden: int = 0,
    loss: Loss = "mse",
    look_at: Literal["head", "backbone"] = "head",
    epochs: int = 2,
    lr: float = 3e-4,
    batch: int = 64,
    min_steps: int = 300,
    held_back: float = 0.2,
    seed: int = 0,
) -> tuple[Regressor, ModelSpec]:
    """Put a `CCNet`, fitted on `people`, in the place of the model's calibrator; see `Fit` for the common arguments.

    The model runs once over the people; then the net is trained on what was kept. Coordinates and densities stay the
    same bit by bit, and with them AR (but for what the order of the scores changes where two people compete for one
    annotation); AP moves, because it asks in which order people are counted.

    Source: Gu, Chen and Yao, "On the Calibration of Human Pose Estimation", 2023, section 5.

    Args:
        model: see `Fit`.
        spec: see `Fit`.
        people: see `Fit`.
        source: see `Fit`.
        flip_test: see `Fit`.
        batch_size: see `Fit`.
        workers: see `Fit`.
        progress: see `Fit`.
        inputs: see `CCNet`.
        hidden: see `CCNet`.
        loss: see `CCNet`.
        look_at: whose features. The ``"head"``'s are those after the deconvolutions where it has any, at the price of
            running them a second time, and the backbone's otherwise.
        epochs: see `NetSettings`, also for the following.
        lr: Adam's step.
        batch: people per step.
        min_steps: at least so many steps.
        held_back: share of the pictures that decides when to stop.
        seed: of the fit's own random numbers; the global ones are not touched.

    Raises:
        InputError: fewer than `MIN_PEOPLE` people, or people that cannot be used.
    """
    settings = NetSettings(epochs, lr, batch, min_steps, held_back, seed)
    channels = model.head.in_channels

    def shown(features: Tensor) -> Tensor:
        return model.head.penultimate(features) if look_at == "head" else features

    with torch.random.fork_rng(devices=[]):
        # Only for what it is shown; the net itself is built when the head's channels are known.
        looker = CCNet(channels, spec.skeleton.num_keypoints, inputs)
    seen = see_people(
        model,
        spec,
        people,
        lambda distribution, features, widths: looker.see(distribution, shown(features), widths),
        "ccnet",
        flip_test,
        batch_size,
        workers,
        progress,
    )
    extra = 2 * spec.skeleton.num_keypoints if inputs == "features+density" else 0
    head_channels = seen.inputs.shape[1] - extra if look_at == "head" else None
    options = {"inputs": inputs, "hidden": hidden, "loss": loss, "head_channels": head_channels}
    with torch.random.fork_rng(devices=[]):
        net = CCNet(channels, spec.skeleton.num_keypoints, inputs, hidden, loss, head_channels)
    course = train_net(net, seen.inputs, seen.oks, seen.visibility, seen.image_id, settings)
    facts: Mapping[str, Any] = {
        "method": "ccnet",
        "data": source,
        "date": datetime.now(UTC).date().isoformat(),
        "flip_test": flip_test,
        **asdict(course),
        "settings": {**options, **asdict(settings)},
    }
    part = {"class_path": "CCNet", "init_args": options}
    with torch.random.fork_rng(devices=[]):
        return calibrated(model, spec, "calibrator", part, net.state_dict(), facts)
