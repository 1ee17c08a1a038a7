"""The `LoopModule`: what every training has in common, whatever network it trains."""

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from typing_extensions import override

from poserior.training.config import Budget, Optimiser
from poserior.training.randomness import random_states, set_random_states
from poserior.training.schedule import learning_rate_factor


class LoopModule(pl.LightningModule):
    """A network in training: its optimiser, its clock, its random states, its epoch's mean loss.

    Args:
        model: what is trained.
        optimiser: learning rate and its course.
        budget: epochs or minutes, which the learning rate's course is stretched over.

    Attributes:
        columns: the validation's numbers as `log.csv` has them.
        shown: what the progress bar calls which of the logged numbers.
        noun: what a batch has many of, for messages.
    """

    model: nn.Module
    columns: Sequence[str] = ()
    shown: dict[str, str] = {"loss": "train_loss_step"}  # noqa: RUF012  # replaced, never changed
    noun = "people"

    def __init__(self, model: nn.Module, optimiser: Optimiser, budget: Budget) -> None:
        super().__init__()
        self.model, self.optimiser, self.budget = model, optimiser, budget
        self._seconds_before, self._started = 0.0, time.monotonic()
        # sum and count, not means: processes and batches differ in how many labels they have
        self.train_sums = torch.zeros(2, dtype=torch.float64)
        self._random: list[dict[str, Any]] = []

    @abstractmethod
    def losses_by_item(self, batch: Any) -> list[dict[str, Any]]:
        """Each person or picture of a batch: ids, `loss`, and `finite`: whether that and its gradient are."""

    def explain(self) -> str:
        """What the reader of the progress bar should know of the validation's numbers."""
        return ""

    def count_loss(self, loss: Tensor, count: int) -> None:
        """Take the loss of `count` people or pictures into the epoch's mean."""
        self.log("train_loss_step", loss.detach(), on_step=True, on_epoch=False)
        self.train_sums += torch.stack([loss.detach().double().cpu() * count, torch.tensor(float(count))])

    @override
    def on_train_epoch_start(self) -> None:
        self.train_sums.zero_()

    @override
    def on_train_epoch_end(self) -> None:
        self.log("train_loss", self.mean_train_loss())

    def mean_train_loss(self) -> float:
        """The epoch's mean loss so far, over the people or pictures of all processes, which have to ask together."""
        total, count = map(float, self.over_processes(self.train_sums))
        return total / count

    def over_processes(self, sums: Tensor) -> Tensor:
        """The sum over all processes, which have to call this together."""
        if self.trainer.world_size == 1:
            return sums
        own = sums.clone().to(self.device)  # it is summed in place
        return self.trainer.strategy.reduce(own, reduce_op="sum").cpu()

    @override
    def configure_optimizers(self) -> Any:
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.optimiser.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW([group for group in groups if group["params"]], lr=self.optimiser.lr)

        def factor(step: int) -> float:  # a plain function: of other callables a checkpoint takes the attributes along
            return self._factor(step)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def progress(self) -> float:
        """Fraction of the training that is over."""
        return self._progress(self.global_step)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training so far, those before a resume included."""
        return self._seconds_before + time.monotonic() - self._started

    def _progress(self, step: int) -> float:
        if self.budget.minutes is None:
            return step / max(1, self.trainer.estimated_stepping_batches)
        # every process follows the first one's clock, or their learning rates would part
        return float(self.trainer.strategy.broadcast(self.seconds)) / (60 * self.budget.minutes)

    def _factor(self, step: int) -> float:
        settings = self.optimiser
        progress = self._progress(step)
        return learning_rate_factor(
            step, progress, settings.schedule, settings.warmup, settings.milestones, settings.gamma
        )

    @override
    def on_fit_start(self) -> None:
        self._started = time.monotonic()
        minutes = self.budget.minutes
        if minutes is not None and self._seconds_before >= 60 * minutes:
            self.trainer.should_stop = True

    @override
    def on_train_start(self) -> None:
        # here, and not when the checkpoint is read: what lies between may draw
        rank = self.trainer.global_rank
        if len(self._random) == self.trainer.world_size:
            set_random_states(self._random[rank], self.device)
        elif rank > 0:
            torch.manual_seed(torch.initial_seed() + rank)  # the processes started with one seed: dropout is to differ

    @override
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.budget.minutes is not None and self.progress() >= 1:
            self.trainer.should_stop = True

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seconds"] = self.seconds
        checkpoint["train_sums"] = self.over_processes(self.train_sums).clone()
        checkpoint["random"] = gather(random_states(self.device), self.trainer.world_size)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._seconds_before = checkpoint["seconds"]
        self._random = checkpoint.get("random", [])
        if self.trainer.global_rank == 0 and "train_sums" in checkpoint:
            self.train_sums = checkpoint["train_sums"].cpu()


def gather(value: Any, world: int) -> list[Any]:
    """Every process's value; all of the `world` processes have to call this together."""
    if world == 1:
        return [value]
    everything: list[Any] = [None] * world
    torch.distributed.all_gather_object(everything, value)
    return everything


def finite_entries(
    model: nn.Module, losses: Sequence[Tensor], ids: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Each person's or picture's ids with their `loss`, and `finite`: whether that and its gradient are.

    Gradients are looked at only where all losses are finite.
    """
    values = [float(loss.detach()) for loss in losses]
    finite = [bool(loss.isfinite()) for loss in losses]
    if all(finite):
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        for i, loss in enumerate(losses):
            found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            finite[i] = all(bool(gradient.isfinite().all()) for gradient in found if gradient is not None)
    return [
        # JSON has no "not a number"
        {**names, "loss": value if abs(value) < float("inf") else str(value), "finite": is_finite}
        for names, value, is_finite in zip(ids, values, finite, strict=True)
    ]
