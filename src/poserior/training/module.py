"""The `PoseModule`: what one step, one validation and the learning rate are."""

import math
import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from typing_extensions import override

from poserior.geometry import crop_sides
from poserior.models import Regressor
from poserior.structures import Target
from poserior.training.config import Budget, Optimiser
from poserior.training.randomness import random_states, set_random_states
from poserior.training.schedule import learning_rate_factor

Batch = tuple[Tensor, Target]


def prepare_images(images: Tensor) -> Tensor:
    """uint8 ``(B, 3, H, W)`` in 0..255 to float in [0, 1], channels last."""
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


class PoseModule(pl.LightningModule):
    """A `Regressor` in training.

    The loss is `Regressor.loss` (over labelled keypoints, divided by the batch size) times ``optimiser.loss_weight``.
    Validation reports ``val_nll``, nats per labelled keypoint in crop-normalised units, ``val_nll_px``, the same in
    crop pixels (``val_nll + log(H W)``), ``val_sd_px``, see `gaussian_sd`, and ``val_error``, the mean distance of mode
    and label in crop pixels: exact means over all labelled keypoints, however batches and processes divide them.

    Args:
        model: what is trained.
        image_size: the crops' ``(H, W)``, for `val_error`.
        optimiser: learning rate and its course.
        budget: epochs or minutes, which the learning rate's course is stretched over.
    """

    def __init__(self, model: Regressor, image_size: tuple[int, int], optimiser: Optimiser, budget: Budget) -> None:
        super().__init__()
        self.model, self.image_size, self.optimiser, self.budget = model, image_size, optimiser, budget
        self._seconds_before, self._started = 0.0, time.monotonic()
        # sum and count, not means: processes and batches differ in how many labels they have
        self.train_sums = torch.zeros(2, dtype=torch.float64)
        self._val_sums = torch.zeros(3, dtype=torch.float64)
        self._random: list[dict[str, Any]] = []

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, target = batch
        loss = self.model.loss(prepare_images(images), target)
        self.log("train_loss_step", loss.detach(), on_step=True, on_epoch=False)
        self.train_sums += torch.stack([loss.detach().double().cpu() * len(images), torch.tensor(float(len(images)))])
        return loss * self.optimiser.loss_weight

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, target = batch
        labelled = target.labelled.clone()
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        labelled[data.own_people(batch_idx, len(images)) :] = False
        # also where nobody is labelled: of several processes, all have to come by here equally often
        distribution = self.model(prepare_images(images))
        points = target.keypoints.to(distribution.mode.dtype)
        nll = -distribution.log_prob(points)[labelled]
        sides = crop_sides(self.image_size, points)
        error = ((distribution.mode - points) * sides).norm(dim=-1)[labelled]
        self._val_sums += torch.stack([nll.double().cpu().sum(), error.double().cpu().sum(), labelled.sum().cpu()])

    @override
    def on_validation_epoch_start(self) -> None:
        self._val_sums = torch.zeros(3, dtype=torch.float64)

    @override
    def on_validation_epoch_end(self) -> None:
        nll, error, count = self.over_processes(self._val_sums).tolist()
        if count == 0:
            return
        height, width = self.image_size
        in_pixels = nll / count + math.log(height * width)
        values = {"val_nll": nll / count, "val_error": error / count, "val_nll_px": in_pixels}
        self.log_dict({**values, "val_sd_px": gaussian_sd(in_pixels)})

    @override
    def on_train_epoch_start(self) -> None:
        self.train_sums.zero_()

    @override
    def on_train_epoch_end(self) -> None:
        self.log("train_loss", self.mean_train_loss())

    def mean_train_loss(self) -> float:
        """The epoch's mean loss so far, over the people of all processes, which have to ask together."""
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


def gaussian_sd(nll_in_pixels: float) -> float:
    """Standard deviation along an axis of the round Gaussian in the plane whose mean NLL of its own draws is this.

    ``E[-log N] = log(2 pi e sd^2)``: the reading of an NLL as "as sharp as a Gaussian of so many pixels".

    >>> round(gaussian_sd(math.log(2 * math.pi * math.e * 3.0**2)), 6)
    3.0
    """
    return math.exp(min((nll_in_pixels - math.log(2 * math.pi) - 1) / 2, 700.0))


def gather(value: Any, world: int) -> list[Any]:
    """Every process's value; all of the `world` processes have to call this together."""
    if world == 1:
        return [value]
    everything: list[Any] = [None] * world
    torch.distributed.all_gather_object(everything, value)
    return everything
