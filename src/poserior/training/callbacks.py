"""What happens beside the steps: averaged weights, the log, the progress bar."""

import csv
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from poserior.training.loop import LoopModule
from poserior.whole_files import replacing


def _model(module: pl.LightningModule) -> torch.nn.Module:
    assert isinstance(module, LoopModule)
    return module.model


class Ema(pl.Callback):
    """An exponential moving average of the model's weights and buffers; validation and the saved model use it.

    After optimiser step n (from 1), ``average <- d average + (1 - d) weights`` with ``d = min(decay, n / (n + 9))``, so
    that the random start is forgotten at once and short runs are not averaged over their beginning. Values that are
    no floating-point numbers (counters) are copied.

    Args:
        decay: the largest d.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.average: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] | None = None

    @override
    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        current = _model(pl_module).state_dict()
        start = self.average or current
        self.average = {name: start[name].detach().to(value.device, copy=True) for name, value in current.items()}

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if trainer.global_step > self.steps:
            self.update(_model(pl_module), trainer.global_step)

    @torch.no_grad()
    def update(self, model: torch.nn.Module, step: int) -> None:
        """Take the weights after optimiser step `step` into the average."""
        self.steps = step
        weight = 1 - min(self.decay, step / (step + 9))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, weight)
            else:
                self.average[name].copy_(value)

    @override
    @torch.no_grad()
    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._own = {name: value.clone() for name, value in _model(pl_module).state_dict().items()}
        _model(pl_module).load_state_dict(self.average)
        _model(pl_module).train().eval()  # a flow finds its constants when it leaves training mode

    @override
    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._own is not None:
            _model(pl_module).load_state_dict(self._own)
            self._own = None

    @override
    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # not when training ends: a run resumed after its last step has none left, and is to be saved all the same
        _model(pl_module).load_state_dict(self.average)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": self.average}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps, self.average = state_dict["steps"], state_dict["average"]


class Log(pl.Callback):
    """`log.csv`: a line per epoch. The lines travel in the checkpoint, so a resumed run's log has each epoch once."""

    columns = ("epoch", "step", "minutes", "lr", "train_loss")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._validated: tuple[str, ...] = ()
        self.rows: list[dict[str, float]] = []

    @override
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LoopModule)
        self._validated = tuple(pl_module.columns)
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "minutes": round(pl_module.seconds / 60, 3),
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "train_loss": pl_module.mean_train_loss(),
        }
        validated = (trainer.current_epoch + 1) % pl_module.budget.validate_every == 0 or trainer.should_stop
        values = {name: seen[name] for name in self._validated if name in seen}
        self.rows.append(row | (values if validated else {}))
        if trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """The whole log anew, under a temporary name first."""
        with replacing(self.path) as file:
            writer = csv.DictWriter(file, (*self.columns, *self._validated))
            writer.writeheader()
            writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in self.rows)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


class Progress(pl.Callback):
    """One bar for the whole training, on stderr: steps, or seconds where the clock decides.

    Args:
        title: what stands before the bar.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._bar: tqdm[Any] | None = None

    @override
    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LoopModule)
        if not trainer.is_global_zero:
            return
        minutes = pl_module.budget.minutes
        total = round(60 * minutes) if minutes else int(trainer.estimated_stepping_batches)
        if trainer.limit_val_batches and pl_module.explain():
            tqdm.write(pl_module.explain(), file=sys.stderr)
        self._bar = tqdm(total=total, desc=self.title, unit="s" if minutes else "step", dynamic_ncols=True)
        self._move(trainer, pl_module)

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self._move(trainer, pl_module)

    @override
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._move(trainer, pl_module)

    def _move(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, LoopModule)
        if self._bar is None:
            return
        done = pl_module.seconds if pl_module.budget.minutes else trainer.global_step
        seen = trainer.callback_metrics
        shown = {label: f"{float(seen[name]):.2f}" for label, name in pl_module.shown.items() if name in seen}
        self._bar.set_postfix({"epoch": trainer.current_epoch + 1, **shown}, refresh=False)
        self._bar.update(min(int(done), int(self._bar.total or 0)) - self._bar.n)

    @override
    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.close()

    @override
    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it stands and end its line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
