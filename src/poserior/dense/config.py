"""What the training of a one-stage network is told: small records of plain values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from poserior.dense.losses import PAPER_WEIGHTS, LossWeights
from poserior.training.config import RECORDS, Budget, Checkpoint, Hardware, Loader, Optimiser, Part, require


@dataclass(frozen=True)
class DenseConfig:
    """Everything that makes one training run of a one-stage network.

    Args:
        head: the density in every cell: a class of `poserior.dense.heads` and its arguments.
        backbone: a class of `poserior.backbones` and its arguments.
        train_data: the data set of whole pictures to learn from; None where Python code hands it over itself.
        val_data: the one to check on after an epoch.
        model: what kind of network this is; a file that says ``model: dense`` is one of these.
        image_size: height and width that the network sees, multiples of the backbone's `size_divisor`.
        boxes_only: learn boxes alone, though the data sets have keypoints.
        refine: learn keypoint heat and offsets too, to which regressed keypoints can be moved.
        channels: of each branch's hidden layer.
        loss_weights: see `LossWeights`.
        max_objects: of a training picture; the largest count where there are more.
        fraction: of the training pictures, drawn evenly at random by `seed`, that are learnt from.
        augment: values of `poserior.transforms.SceneAugment` that differ from its defaults.
        warm_start: another one-stage run's folder, whose backbone's weights are the start.
        optimiser: see `Optimiser`.
        budget: see `Budget`.
        checkpoint: see `Checkpoint`.
        loader: see `Loader`; its batches are of pictures.
        hardware: see `Hardware`.
        seed: of the weights, the order of the data and the augmentation.
        tensorboard: write TensorBoard's event files too; None does so where the package `tensorboard` is installed.
        logger: any Lightning logger besides, by its class's name and arguments.
    """

    head: Part
    backbone: Part
    train_data: Part | None = None
    val_data: Part | None = None
    model: Literal["dense"] = "dense"
    image_size: tuple[int, int] = (512, 512)
    boxes_only: bool = False
    refine: bool = False
    channels: int = 64
    loss_weights: LossWeights = PAPER_WEIGHTS
    max_objects: int = 128
    fraction: float = 1.0
    augment: dict[str, Any] = field(default_factory=dict)
    warm_start: str | None = None
    optimiser: Optimiser = field(default_factory=Optimiser)
    budget: Budget = field(default_factory=Budget)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    loader: Loader = field(default_factory=Loader)
    hardware: Hardware = field(default_factory=Hardware)
    seed: int = 0
    tensorboard: bool | None = None
    logger: Part | None = None

    def __post_init__(self) -> None:
        require(self.model == "dense", "model", "dense", repr(self.model))
        require(min(self.image_size) >= 8, "image_size", "two sides of at least 8 pixels", list(self.image_size))
        require(self.channels >= 1, "channels", "at least 1", self.channels)
        require(self.max_objects >= 1, "max_objects", "at least 1", self.max_objects)
        require(0 < self.fraction <= 1, "fraction", "above 0 and at most 1", self.fraction)
        for name, value in asdict(self.loss_weights).items():
            require(value >= 0, f"loss_weights.{name}", "not negative", value)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `config.yaml` has them."""
        augment = {key: list(value) if isinstance(value, tuple) else value for key, value in self.augment.items()}
        return {"model": self.model, **asdict(self), "image_size": list(self.image_size), "augment": augment}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DenseConfig":
        """The record that `to_dict` came from."""
        records = {"loss_weights": LossWeights, **RECORDS}
        built = {key: record(**values[key]) for key, record in records.items() if key in values}
        size = {"image_size": tuple(values["image_size"])} if "image_size" in values else {}
        return cls(**{**values, **built, **size})
