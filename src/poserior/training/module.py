"""The `PoseModule`: what one step, one validation and the learning rate are."""

import math
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from poserior.geometry import box_area, crop_sides
from poserior.models import VISIBILITY_WEIGHT, Regressor
from poserior.structures import Target
from poserior.training.config import Budget, Optimiser
from poserior.training.loop import LoopModule, finite_entries

Batch = tuple[Tensor, Target]


def prepare_images(images: Tensor) -> Tensor:
    """uint8 ``(B, 3, H, W)`` in 0..255 to float in [0, 1], channels last."""
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


class PoseModule(LoopModule):
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

    model: Regressor
    columns = ("val_nll", "val_error", "val_nll_px", "val_sd_px")
    shown = {  # noqa: RUF012  # replaced, never changed
        "loss": "train_loss_step",
        "val nll": "val_nll",
        "val sd px": "val_sd_px",
        "val error px": "val_error",
    }

    def __init__(self, model: Regressor, image_size: tuple[int, int], optimiser: Optimiser, budget: Budget) -> None:
        super().__init__(model, optimiser, budget)
        self.image_size = image_size
        self._val_sums = torch.zeros(3, dtype=torch.float64)

    @override
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, target = batch
        loss = self.model.loss(prepare_images(images), target)
        self.count_loss(loss, len(images))
        return loss * self.optimiser.loss_weight

    @override
    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, target = batch
        labelled = target.labelled.clone()
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        labelled[data.own_items(batch_idx, len(images)) :] = False
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
    def explain(self) -> str:
        return explain_nll(self.image_size)

    @override
    def losses_by_item(self, batch: Batch) -> list[dict[str, Any]]:
        return losses_by_person(self.model, batch)


def gaussian_sd(nll_in_pixels: float) -> float:
    """Standard deviation along an axis of the round Gaussian in the plane whose mean NLL of its own draws is this.

    ``E[-log N] = log(2 pi e sd^2)``: the reading of an NLL as "as sharp as a Gaussian of so many pixels".

    >>> round(gaussian_sd(math.log(2 * math.pi * math.e * 3.0**2)), 6)
    3.0
    """
    return math.exp(min((nll_in_pixels - math.log(2 * math.pi) - 1) / 2, 700.0))


def explain_nll(image_size: tuple[int, int]) -> str:
    """What the validation's number means, in two lines for the reader of a log.

    >>> print(explain_nll((256, 192)))
    val nll: nats per keypoint in crop-normalised units; lower is better, negative is normal (a density can exceed 1).
    In pixels of the 256 x 192 crop it is val nll + 10.8: a val nll of -5.2 is as sharp as a round Gaussian of sd 4 px.
    """
    shift = math.log(image_size[0] * image_size[1])
    example = math.log(2 * math.pi * math.e * 4.0**2) - shift
    return (
        "val nll: nats per keypoint in crop-normalised units; lower is better, negative is normal (a density can exceed"
        f" 1).\nIn pixels of the {image_size[0]} x {image_size[1]} crop it is val nll + {shift:.1f}:"
        f" a val nll of {example:.1f} is as sharp as a round Gaussian of sd 4 px."
    )


def losses_by_person(model: Regressor, batch: Batch) -> list[dict[str, Any]]:
    """Each person of a batch: ids, their part of the loss, and whether that and its gradient are finite.

    The network sees the batch as a whole, as in training, where normalisation ties people together; a label's fault
    stays with its person all the same.
    """
    images, target = batch
    features = model.backbone(prepare_images(images))
    pose = model.head.labelled_loss(model.head(features), target.keypoints, target.labelled).flatten(1).sum(1)
    losses = [loss + _calibrator_loss(model, features, target, i) for i, loss in enumerate(pose)]
    ids = zip(target.image_id, target.annotation_id, strict=True)
    return finite_entries(model, losses, [{"image_id": image, "annotation_id": person} for image, person in ids])


def _calibrator_loss(model: Regressor, features: Any, target: Target, i: int) -> Tensor | float:
    if model.calibrator is None:
        return 0.0
    one = slice(i, i + 1)
    share = (target.area[one] / box_area(target.box_xyxy[one])).float()
    loss: Tensor = VISIBILITY_WEIGHT * model.calibrator.loss(features[one], target.visibility[one], share)
    return loss
