"""One training run: from a `Config` to a folder with the model in it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from poserior.datasets import KeypointDataset
from poserior.models import ModelSpec, Regressor, build_model, load_model, save_model
from poserior.skeletons import Skeleton
from poserior.training.config import Config, Part
from poserior.training.data import Data
from poserior.training.fit import Run, fit
from poserior.training.module import PoseModule
from poserior.training.opening import begin, take_weights
from poserior.training.parts import build
from poserior.training.record import CROPS


def train(
    config: Config,
    output: str | Path,
    resume: bool = False,
    data: tuple[KeypointDataset, KeypointDataset | None] | None = None,
    title: str | None = None,
    progress: bool = True,
) -> Path:
    """Train a model and leave it in a folder.

    The folder gets ``config.yaml`` (all of `config`), ``README.txt`` (what each file is), ``run.json`` (environment,
    data, times), ``last.ckpt`` and ``log.csv`` after every epoch, and at the end ``model.yaml`` and
    ``model.safetensors`` (the averaged weights where ``optimiser.ema`` is set). A resumed run ends with the weights of
    one that was never interrupted, on a CPU bit for bit. Resuming a finished run leaves its model as it is.

    Args:
        config: everything about the run.
        output: the folder.
        resume: go on from the folder's ``last.ckpt``, or start if there is none.
        data: training and validation people, instead of those that `config` describes.
        title: what the progress bar is called; the head's name by default.
        progress: show that bar on stderr.

    Returns:
        The folder.

    Raises:
        InputError: the folder holds another run, the data or the checkpoint cannot be used, a file cannot be written,
            or the loss stopped being a number (see `poserior.training.watch`).
    """
    output = begin(config, output, resume, data is not None)
    train_people, val_people = data or (people(config.train_data, "train_data"), people(config.val_data, "val_data"))
    size, padding = config.image_size, config.box_padding
    batches = Data(train_people, val_people, size, padding, config.loader, config.augment, config.seed)
    share = mean_area_per_box(train_people)
    calibrator = {"class_path": "ExpectedOks", "init_args": {"area_per_box": share}}
    spec = replace(model_spec(config, train_people.skeleton), area_per_box=share, calibrator=calibrator)
    model = build_model(spec)
    if config.warm_start is not None:
        warm_start(model, config.warm_start)
    model.backbone.to(memory_format=torch.channels_last)
    module = PoseModule(model, config.image_size, config.optimiser, config.budget)

    def save() -> None:
        model.backbone.to(memory_format=torch.contiguous_format)
        save_model(model.cpu().eval(), spec, output)

    sets = {"train": train_people, "val": val_people}
    run = Run(config, output, module, batches, train_people.skeleton, sets, CROPS, save)
    fit(run, resume, (title or spec.head["class_path"]) if progress else None)
    return output


def model_spec(config: Config, skeleton: Skeleton) -> ModelSpec:
    """What `config` says about the model itself."""
    backbone = {"name": config.backbone.name, "pretrained": config.backbone.pretrained, **config.backbone.options}
    name = config.head["class_path"].rpartition(".")[2]
    return ModelSpec(
        backbone=backbone,
        head={"class_path": name, "init_args": dict(config.head.get("init_args") or {})},
        skeleton=skeleton,
        image_size=config.image_size,
        box_padding=config.box_padding,
    )


def mean_area_per_box(dataset: KeypointDataset, count: int = 64) -> float:
    """The mean ratio of object's area and box, over `count` people spread evenly over the data set."""
    count = min(count, len(dataset))
    samples = [dataset[i * len(dataset) // count] for i in range(count)]
    ratios = [sample.area / float((sample.box_xyxy[2:] - sample.box_xyxy[:2]).prod()) for sample in samples]
    return sum(ratios) / len(ratios)


def warm_start(model: Regressor, run: str | Path) -> None:
    """Copy the backbone's weights and statistics from another run's folder; nothing else of the model changes.

    Raises:
        InputError: the folder holds no model, or its backbone is another network.
    """
    take_weights(model.backbone, load_model(Path(run))[0].backbone, run)


def people(part: Part | None, role: str) -> Any:
    """The data set that a configuration's `train_data` or `val_data` describes; None for None."""
    return None if part is None else build(part, KeypointDataset, role)  # type: ignore[type-abstract]
