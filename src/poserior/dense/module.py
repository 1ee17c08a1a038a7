"""The `DenseModule`: what one step and one validation of a one-stage network are."""

from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from typing_extensions import override

from poserior.dense.losses import gather
from poserior.dense.model import DenseModel
from poserior.dense.targets import dense_targets
from poserior.distributions import Distribution, PoseMarginals
from poserior.scenes import DenseTarget, Maps, SceneBatch
from poserior.training.config import Budget, Optimiser
from poserior.training.loop import LoopModule, finite_entries
from poserior.training.module import prepare_images

Record = TypeVar("Record", SceneBatch, DenseTarget, Maps)


class DenseModule(LoopModule):
    """A `DenseModel` in training. Targets are made from the batch where the batch is, in the step.

    The loss is `DenseModel.loss` times ``optimiser.loss_weight``. Validation reports ``val_loss``, its parts
    (``val_centre``, ``val_offset``, ``val_density``, ...) and ``val_nll``, nats per labelled keypoint (or per box) in
    cells, of the densities in the objects' own cells; means over pictures, and over labels.

    Args:
        model: what is trained.
        optimiser: learning rate and its course.
        budget: epochs or minutes, which the learning rate's course is stretched over.
    """

    model: DenseModel
    noun = "pictures"

    def __init__(self, model: DenseModel, optimiser: Optimiser, budget: Budget) -> None:
        super().__init__(model, optimiser, budget)
        more = ["size"] * (model.num_keypoints > 0) + ["keypoint_heat", "keypoint_offset"] * model.refine
        self.parts = ("loss", "centre", "offset", "density", *more)
        self.columns = (*(f"val_{name}" for name in self.parts), "val_nll")
        self.shown = {"loss": "train_loss_step", "centre": "train_centre", "density": "train_density"}
        self.shown |= {"val loss": "val_loss", "val nll": "val_nll"}
        self._val_sums = torch.zeros(len(self.parts) + 3, dtype=torch.float64)

    @override
    def training_step(self, batch: SceneBatch, batch_idx: int) -> Tensor:
        losses = self.model.loss(prepare_images(batch.images), self.targets(batch))
        loss = losses["loss"]
        self.count_loss(loss, len(batch.images))
        self.log_dict({f"train_{name}": value.detach() for name, value in losses.items() if name != "loss"})
        return loss * self.optimiser.loss_weight

    def targets(self, batch: SceneBatch) -> DenseTarget:
        """What the network's grid should say about a batch."""
        return dense_targets(batch, self.model.num_categories, self.model.stride, self.model.refine)

    @override
    def validation_step(self, batch: SceneBatch, batch_idx: int) -> None:
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        own = data.own_items(batch_idx, len(batch.images))
        if own == 0:
            return
        batch = pictures(batch, 0, own)
        target = self.targets(batch)
        maps = self.model(prepare_images(batch.images))
        losses = self.model.maps_loss(maps, target)
        nll, count = label_nll(self.model, maps[-1], target)
        means = torch.stack([losses[name] for name in self.parts]).double().cpu()
        rest = torch.tensor([float(nll), float(count), float(own)], dtype=torch.float64)
        self._val_sums += torch.cat([means * own, rest])

    @override
    def on_validation_epoch_start(self) -> None:
        self._val_sums.zero_()

    @override
    def on_validation_epoch_end(self) -> None:
        *sums, nll, labels, count = self.over_processes(self._val_sums).tolist()
        if count == 0:
            return
        values = {f"val_{name}": total / count for name, total in zip(self.parts, sums, strict=True)}
        self.log_dict(values | ({"val_nll": nll / labels} if labels else {}))

    @override
    def explain(self) -> str:
        unit = "keypoint" if self.model.num_keypoints else "box"
        return (
            f"val nll: nats per labelled {unit}, in cells of {self.model.stride} pixels, of the densities in the"
            " objects' own cells; lower is better."
        )

    @override
    def losses_by_item(self, batch: SceneBatch) -> list[dict[str, Any]]:
        target = self.targets(batch)
        stacks = self.model(prepare_images(batch.images))
        losses = [
            self.model.maps_loss([pictures(maps, i, i + 1) for maps in stacks], pictures(target, i, i + 1))["loss"]
            for i in range(len(batch.images))
        ]
        return finite_entries(self.model, losses, [{"image_id": image} for image in batch.image_id])


def pictures(record: Record, start: int, stop: int) -> Record:
    """Some pictures of a batch, of its targets or of its maps."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(entry) for key, entry in value.items()}
        return value if value is None else value[start:stop]

    return replace(record, **{field.name: cut(getattr(record, field.name)) for field in fields(record)})


def label_nll(model: DenseModel, maps: Maps, target: DenseTarget) -> tuple[Tensor, Tensor]:
    """The negative log-likelihood of all labels, and how many there are: keypoints, or boxes where there are none.

    In nats, of places in cells, each object's labels under the density in its own cell.
    """
    mere_boxes = maps.size is None
    points = target.size[..., None, :] if mere_boxes else target.points
    labelled = target.present[..., None] if mere_boxes else target.labelled
    density = model.head.density(gather(maps.density.float(), target.cell))
    return object_nll(density, points, labelled).sum(), labelled.sum()


def object_nll(
    density: Distribution, points: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
) -> Float[Tensor, "*L"]:
    """``-log p`` of an object's labelled points together: jointly, where the density is one of whole poses.

    Args:
        density: ``batch_shape (*L, K)``.
        points: the labels.
        labelled: which count; 0 for an object without any.
    """
    points = torch.where(labelled[..., None], points, 0.0)
    if isinstance(density, PoseMarginals) and density.pose is not None:
        return torch.where(labelled.any(-1), -density.pose.log_prob(points, labelled), 0.0)
    return torch.where(labelled, -density.log_prob(points), 0.0).sum(-1)
