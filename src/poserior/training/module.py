"""The `PoseModule`: what one step, one validation and the learning rate are."""

import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from typing_extensions import override

from poserior.errors import InputError
from poserior.geometry import crop_sides
from poserior.models import Regressor
from poserior.structures import Target
from poserior.training.config import Budget, Optimiser
from poserior.training.schedule import learning_rate_factor

Batch = tuple[Tensor, Target]


def prepare_images(images: Tensor) -> Tensor:
    """uint8 ``(B, 3, H, W)`` in 0..255 to float in [0, 1], channels last."""
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


class PoseModule(pl.LightningModule):
    """A `Regressor` in training.

    The loss is `Regressor.loss` (over labelled keypoints, divided by the batch size) times ``optimiser.loss_weight``.
    Validation reports ``val_nll``, nats per labelled keypoint in crop-normalised units, and ``val_error``, the mean
    distance of mode and label in crop pixels.

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

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, target = batch
        loss = self.model.loss(prepare_images(images), target)
        if not torch.isfinite(loss.detach()):
            raise InputError(
                f"expected a finite loss, found {loss.item()} at step {self.global_step} for the pictures"
                f" {', '.join(map(str, dict.fromkeys(target.image_id)))}; look at their labels, or lower optimiser.lr"
            )
        self.log("train_loss_step", loss.detach(), on_step=True, on_epoch=False)
        self.log("train_loss", loss.detach(), on_step=False, on_epoch=True, batch_size=len(images), sync_dist=True)
        return loss * self.optimiser.loss_weight

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, target = batch
        labelled = target.labelled
        count = int(labelled.sum())
        if count == 0:
            return
        distribution = self.model(prepare_images(images))
        points = target.keypoints.to(distribution.mode.dtype)
        nll = -distribution.log_prob(points)[labelled].mean()
        sides = crop_sides(self.image_size, points)
        error = ((distribution.mode - points) * sides).norm(dim=-1)[labelled].mean()
        self.log_dict({"val_nll": nll, "val_error": error}, batch_size=count, on_epoch=True, sync_dist=True)

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

    @override
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.budget.minutes is not None and self.progress() >= 1:
            self.trainer.should_stop = True

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seconds"] = self.seconds

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._seconds_before = checkpoint["seconds"]
