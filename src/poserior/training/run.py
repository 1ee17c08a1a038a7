"""One training run: from a `Config` to a folder with the model in it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
import yaml

from poserior.datasets import KeypointDataset
from poserior.errors import InputError
from poserior.models import ModelSpec, Regressor, build_model, load_model, save_model
from poserior.skeletons import Skeleton
from poserior.training.callbacks import Ema, Log, Progress
from poserior.training.checkpoint import LastCheckpoint, WholeFile
from poserior.training.config import Config, Part
from poserior.training.data import Data
from poserior.training.loggers import loggers
from poserior.training.module import PoseModule
from poserior.training.parts import build
from poserior.training.quiet import quiet
from poserior.training.record import RunRecord
from poserior.training.watch import Watch
from poserior.whole_files import write_bytes

# What may differ between the two parts of a resumed run.
_FREE_TO_CHANGE = {"budget", "checkpoint", "hardware", "logger", "tensorboard"}


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
    output = Path(output)
    if config.train_data is None and data is None:
        raise InputError("expected train_data to learn from, found none; add it to the configuration, or pass data")
    if is_first_process():
        check_folder(output, config, resume)
    pl.seed_everything(config.seed, workers=True, verbose=False)
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
    last = output / "last.ckpt"
    continued = last if resume and last.exists() else None
    with quiet(), _noted(config, output, resume, train_people, val_people):
        bars: list[pl.Callback] = [Progress(title or spec.head["class_path"])] if progress else []
        trainer = _trainer(config, output, bars, batches.val is not None, WholeFile(spec, module.state_dict()))
        before = _written(last)
        _fit(trainer, module, batches, continued)
        # a finished run that is resumed keeps its model as it is: it may have been calibrated since
        done_before = continued is not None and before == _written(last) and (output / "model.safetensors").exists()
        if trainer.is_global_zero and not done_before:
            model.backbone.to(memory_format=torch.contiguous_format)
            save_model(model.cpu().eval(), spec, output)
    return output


@contextmanager
def _noted(
    config: Config, output: Path, resume: bool, train_people: KeypointDataset, val_people: KeypointDataset | None
) -> Iterator[None]:
    """Claims the folder, and tells its `run.json` when the block begins and how it ends."""
    claim(output, config, resume)
    if not is_first_process():
        yield
        return
    record = RunRecord(output)
    record.start(config, train_people.skeleton.name, {"train": train_people, "val": val_people})
    status, facts = "failed", {}
    try:
        yield
        status = "finished"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    except Exception as error:
        facts = {"reason": str(error) or type(error).__name__}
        raise
    finally:
        with suppress(OSError, InputError):  # the disk that ended the run may refuse this, too
            record.end(status, **facts)


def _written(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _fit(trainer: pl.Trainer, module: PoseModule, batches: Data, checkpoint: Path | None) -> None:
    """Fit; Ctrl-C stays a KeyboardInterrupt, which Lightning makes a SystemExit and switches off for what follows."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=batches, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


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
    other, _ = load_model(Path(run))
    ours, theirs = model.backbone.state_dict(), other.backbone.state_dict()
    shapes = {name: tuple(value.shape) for name, value in ours.items()}
    if shapes != {name: tuple(value.shape) for name, value in theirs.items()}:
        raise InputError(
            f"expected the same backbone in warm_start folder {run}, found one with other weights;"
            " give this run the backbone that was trained there"
        )
    model.backbone.load_state_dict(theirs)


def people(part: Part | None, role: str) -> Any:
    """The data set that a configuration's `train_data` or `val_data` describes; None for None."""
    return None if part is None else build(part, KeypointDataset, role)  # type: ignore[type-abstract]


def _trainer(
    config: Config, output: Path, bars: list[pl.Callback], validates: bool, checkpoints: WholeFile
) -> pl.Trainer:
    hardware, optimiser = config.hardware, config.optimiser
    callbacks: list[pl.Callback] = [Ema(optimiser.ema)] if optimiser.ema else []
    callbacks += [
        Watch(output / "broken", gradients=hardware.precision != "16-mixed"),
        Log(output / "log.csv"),
        LastCheckpoint(output / "last.ckpt", config.checkpoint),
        *bars,
    ]
    return pl.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy=hardware.strategy,
        precision=hardware.precision,
        max_epochs=-1 if config.budget.minutes is not None else config.budget.epochs,
        check_val_every_n_epoch=config.budget.validate_every,
        limit_val_batches=None if validates else 0,
        accumulate_grad_batches=optimiser.accumulate,
        gradient_clip_val=optimiser.clip or None,
        callbacks=callbacks,
        plugins=[checkpoints],
        logger=loggers(config, output),
        default_root_dir=output,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def is_first_process() -> bool:
    """Whether this is the one process, or of several the one that writes; known before Lightning starts."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in names)


def check_folder(output: Path, config: Config, resume: bool) -> None:
    """Make sure that no other run's results are mixed with this one's.

    Raises:
        InputError: the folder holds a run or a model and `resume` is off, or that run's configuration is another.
    """
    path = output / "config.yaml"
    if output.exists() and not output.is_dir():
        raise InputError(f"expected a folder at {output}, found a file; choose another --output")
    if not path.exists():
        other = [name for name in ("last.ckpt", "model.yaml", "model.safetensors") if (output / name).exists()]
        if other:
            raise InputError(f"expected an empty output folder, found {other[0]} in {output}; choose another --output")
        return
    if not resume:
        raise InputError(
            f"expected an empty output folder, found a run in {output}; choose another --output, or continue"
            " that run with --resume"
        )
    before, now = _read_config(path), config.to_dict()
    differs = sorted(key for key in now if key not in _FREE_TO_CHANGE and now[key] != before.get(key))
    if differs:
        raise InputError(
            f"expected the configuration of the run in {output} to resume it, found other values of"
            f" {', '.join(differs)}; restore them, or start a new run in another folder"
        )


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict):
        raise InputError(f"expected a run's configuration in {path}, found something else; choose another --output")
    return content


def claim(output: Path, config: Config, resume: bool) -> None:
    """Write ``config.yaml`` where `check_folder` agrees; of several processes the first alone does.

    Raises:
        InputError: see there.
    """
    if not is_first_process():
        return
    check_folder(output, config, resume)
    text = yaml.safe_dump(config.to_dict(), sort_keys=False, allow_unicode=True)
    write_bytes(output / "config.yaml", text.encode())
