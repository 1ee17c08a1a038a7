"""The training itself, whatever is trained: from a module and its batches to a folder with a finished model in it."""

import signal
from collections.abc import Callable, Iterator, Mapping, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl

from poserior.errors import InputError
from poserior.skeletons import Skeleton
from poserior.training.callbacks import Ema, Log, Progress
from poserior.training.checkpoint import LastCheckpoint, WholeFile
from poserior.training.config import RunConfig
from poserior.training.data import Batches
from poserior.training.folder import claim, is_first_process
from poserior.training.loggers import loggers
from poserior.training.loop import LoopModule
from poserior.training.quiet import quiet
from poserior.training.record import RunRecord
from poserior.training.watch import Watch


@dataclass(frozen=True, eq=False)
class Run:
    """One run, ready to begin.

    Attributes:
        config: what it was told.
        output: its folder.
        module: what is trained.
        batches: what it learns from.
        skeleton: whose keypoints it learns, if any.
        data: its data sets by role, for `run.json`.
        readme: what each file in the folder is.
        save: writes the finished model into the folder.
    """

    config: RunConfig
    output: Path
    module: LoopModule
    batches: Batches
    skeleton: Skeleton | None
    data: Mapping[str, Sized | None]
    readme: str
    save: Callable[[], None]


def fit(run: Run, resume: bool, title: str | None) -> None:
    """Train, and leave everything in the run's folder; see `poserior.training.run.train`.

    Args:
        run: what is to be done.
        resume: go on from the folder's ``last.ckpt``, or start if there is none.
        title: what the progress bar on stderr is called; None for no bar.
    """
    last = run.output / "last.ckpt"
    continued = last if resume and last.exists() else None
    with quiet(), _noted(run, resume):
        trainer = _trainer(run, title)
        before = _written(last)
        _fit(trainer, run, continued)
        # a finished run that is resumed keeps its model as it is: it may have been calibrated since
        done_before = continued is not None and before == _written(last)
        if trainer.is_global_zero and not (done_before and (run.output / "model.safetensors").exists()):
            run.save()


@contextmanager
def _noted(run: Run, resume: bool) -> Iterator[None]:
    """Claims the folder, and tells its `run.json` when the block begins and how it ends."""
    claim(run.output, run.config, resume)
    if not is_first_process():
        yield
        return
    record = RunRecord(run.output, run.readme, run.module.noun)
    record.start(run.config, None if run.skeleton is None else run.skeleton.name, run.data)
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


def _fit(trainer: pl.Trainer, run: Run, checkpoint: Path | None) -> None:
    """Fit; Ctrl-C stays a KeyboardInterrupt, which Lightning makes a SystemExit and switches off for what follows."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(run.module, datamodule=run.batches, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


def _trainer(run: Run, title: str | None) -> pl.Trainer:
    config, output = run.config, run.output
    hardware, optimiser = config.hardware, config.optimiser
    callbacks: list[pl.Callback] = [Ema(optimiser.ema)] if optimiser.ema else []
    callbacks += [
        Watch(output / "broken", gradients=hardware.precision != "16-mixed"),
        Log(output / "log.csv"),
        LastCheckpoint(output / "last.ckpt", config.checkpoint),
        *([] if title is None else [Progress(title)]),
    ]
    return pl.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy=hardware.strategy,
        precision=hardware.precision,
        max_epochs=-1 if config.budget.minutes is not None else config.budget.epochs,
        check_val_every_n_epoch=config.budget.validate_every,
        limit_val_batches=0 if run.batches.val is None else None,
        accumulate_grad_batches=optimiser.accumulate,
        gradient_clip_val=optimiser.clip or None,
        callbacks=callbacks,
        plugins=[WholeFile(run.skeleton, run.module.state_dict())],
        logger=loggers(config, output),
        default_root_dir=output,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
