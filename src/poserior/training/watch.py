"""Loss and gradient watched: the first that is no finite number ends the run, and who is to blame is named."""

from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as pl
import torch
from torch import Tensor
from typing_extensions import override

from poserior.errors import InputError
from poserior.outputs import write_json
from poserior.training.data import ResumableLoader
from poserior.training.loop import LoopModule, gather
from poserior.training.randomness import random_states, set_random_states

_NAMED = 5  # of them in the message; the file has all


class Watch(pl.Callback):
    """Stops before the optimiser takes a step along a loss or gradient that is not finite.

    Then ``broken/step_N/`` tells everything: ``people.json`` (or ``pictures.json``), each of the step's batches with
    their own loss, and ``before.ckpt``, the exact state before the step, which can take the place of ``last.ckpt``.

    Args:
        folder: where ``step_N`` is made.
        gradients: whether gradients have to be finite too; not with float16, whose scaling lives on their overflow.
    """

    def __init__(self, folder: Path, gradients: bool = True) -> None:
        self.folder, self.gradients = folder, gradients
        self._batches: list[Any] = []
        self._stepping = False
        self._losses: list[Tensor] = []

    @override
    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, LoopModule)
        if not self._batches:  # the first one of those whose gradients make the next step
            self._buffers = [buffer.clone() for buffer in pl_module.buffers()]
            self._random, self._sums = random_states(pl_module.device), pl_module.train_sums.clone()
        self._batches.append(batch)

    @override
    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        self._losses.append(loss.detach())

    @override
    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        assert isinstance(pl_module, LoopModule)
        self._stepping = True
        found = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        loss = torch.stack(self._losses).sum()
        # the largest entry, not the norm, whose squares overflow first
        largest = (
            torch.nn.utils.get_total_norm(found, float("inf")) if self.gradients and found else torch.zeros_like(loss)
        )
        values = torch.stack([loss.float(), largest.to(loss.device).float()])
        # the processes decide together: each saw its own loss, and all have to leave the step or take it
        if not bool(pl_module.over_processes(values).isfinite().all()):
            self._stop(trainer, pl_module)

    @override
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if self._stepping:
            self._batches, self._losses, self._stepping = [], [], False

    def _stop(self, trainer: pl.Trainer, module: LoopModule) -> NoReturn:
        self._go_back(module)
        whole = all(bool(parameter.isfinite().all()) for parameter in module.parameters())
        entries = [entry for batch in self._batches for entry in module.losses_by_item(batch)]
        self._go_back(module)
        everybody = [entry for share in gather(entries, trainer.world_size) for entry in share]
        folder = self.folder / f"step_{trainer.global_step}"
        folder.mkdir(parents=True, exist_ok=True)
        self._rewind(trainer)
        trainer.save_checkpoint(folder / "before.ckpt")
        blamed = [entry for entry in everybody if not entry["finite"]]
        if trainer.is_global_zero:
            rate = float(trainer.optimizers[0].param_groups[0]["lr"])
            facts = {"step": trainer.global_step, "epoch": trainer.current_epoch + 1, "learning_rate": rate}
            content = {**facts, "weights_finite": whole, "to_blame": len(blamed), module.noun: everybody}
            write_json(folder / f"{module.noun}.json", content)
        raise InputError(_sentence(blamed, len(everybody), module.noun, trainer.global_step, folder))

    def _go_back(self, module: LoopModule) -> None:
        """Undo what the step's forward passes did: running statistics, random draws, the epoch's mean loss."""
        with torch.no_grad():
            for buffer, before in zip(module.buffers(), self._buffers, strict=True):
                buffer.copy_(before)
        set_random_states(self._random, module.device)
        module.train_sums = self._sums.clone()

    def _rewind(self, trainer: pl.Trainer) -> None:
        """Make Lightning's and the loader's place in the epoch that of the step's first batch."""
        done = trainer.fit_loop.epoch_loop.batch_progress
        done.current.completed -= len(self._batches) - 1
        done.total.completed -= len(self._batches) - 1
        loader = trainer.train_dataloader
        if isinstance(loader, ResumableLoader):
            loader.rewind(len(self._batches))


def _sentence(blamed: list[dict[str, Any]], count: int, noun: str, step: int, folder: Path) -> str:
    where = f"every loss and the state before the step are in {folder}"
    if 0 < len(blamed) < count:
        more = f" and {len(blamed) - _NAMED} more" if len(blamed) > _NAMED else ""
        return (
            f"expected a finite loss and gradient, found others at step {step} for {len(blamed)} of {count} {noun}:"
            f" {_names(blamed[:_NAMED])}{more}; correct or remove their labels ({where})"
        )
    who = "all" if blamed else "the sum over"
    return (
        f"expected a finite loss and gradient, found others at step {step} for {who} {count} {noun}, so that training"
        f" itself has diverged; lower optimiser.lr, raise optimiser.warmup or set optimiser.clip ({where})"
    )


def _names(blamed: list[dict[str, Any]]) -> str:
    if "annotation_id" not in blamed[0]:
        return "image " + ", ".join(str(entry["image_id"]) for entry in blamed)
    return "annotation " + ", ".join(f"{entry['annotation_id']} (image {entry['image_id']})" for entry in blamed)
