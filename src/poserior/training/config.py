"""What a training run is told: small records of plain values, without torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

from poserior.errors import InputError


def require(holds: bool, name: str, expected: str, found: object) -> None:
    """Raise InputError where a value of the configuration cannot be."""
    if not holds:
        raise InputError(f"expected {name} {expected}, found {found}; change it in the configuration")


class Part(TypedDict):
    """One part by the name of its class and the arguments of its constructor.

    ``class_path`` is a name in `poserior.heads` or `poserior.datasets`, or the dotted path of one's own class.
    """

    class_path: str
    init_args: dict[str, Any]


@dataclass(frozen=True)
class Backbone:
    """Which network turns pictures into features.

    Args:
        name: a timm model's name.
        pretrained: start from the weights that timm knows for it (downloaded once).
        options: further arguments of the timm model, e.g. ``{output_stride: 16}``.
    """

    name: str = "resnet18"
    pretrained: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Optimiser:
    """AdamW and the course of its learning rate.

    The loss is a sum over a person's keypoints divided by the batch size, so `clip` and `loss_weight` are in its unit.

    Args:
        lr: the highest learning rate.
        weight_decay: on matrices and filters only, never on biases and norms.
        clip: largest norm of the gradient; 0 for none.
        schedule: after the warm-up, how the learning rate falls: along a half cosine, a line, by steps, or not.
        warmup: optimiser steps until the learning rate is reached, on a line from zero.
        milestones: where a ``step`` schedule falls, as fractions of the whole training.
        gamma: what it is multiplied by there.
        ema: decay of the moving average of weights, which is what is validated and saved; 0 for none.
        loss_weight: factor of the loss; matters with `clip` and for a fair comparison of heads.
        accumulate: batches whose gradients are averaged into one step.
    """

    lr: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 0.0
    schedule: Literal["cosine", "linear", "step", "constant"] = "cosine"
    warmup: int = 100
    milestones: list[float] = field(default_factory=lambda: [0.7, 0.9])
    gamma: float = 0.1
    ema: float = 0.0
    loss_weight: float = 1.0
    accumulate: int = 1

    def __post_init__(self) -> None:
        require(self.lr > 0, "optimiser.lr", "above 0", self.lr)
        require(self.loss_weight > 0, "optimiser.loss_weight", "above 0", self.loss_weight)
        require(self.accumulate >= 1, "optimiser.accumulate", "at least 1", self.accumulate)
        require(0 <= self.ema < 1, "optimiser.ema", "in [0, 1)", self.ema)
        for name in ("weight_decay", "clip", "warmup"):
            require(getattr(self, name) >= 0, f"optimiser.{name}", "not negative", getattr(self, name))
        require(all(0 < m < 1 for m in self.milestones), "optimiser.milestones", "fractions in (0, 1)", self.milestones)


@dataclass(frozen=True)
class Budget:
    """How long training takes.

    Args:
        epochs: rounds through the training data; not looked at where `minutes` is given.
        minutes: wall-clock time; the learning rate then falls with the clock, and training stops when it is over.
        validate_every: epochs between validations.
    """

    epochs: int = 100
    minutes: float | None = None
    validate_every: int = 1

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "budget.epochs", "at least 1", self.epochs)
        require(self.minutes is None or self.minutes > 0, "budget.minutes", "above 0", self.minutes)
        require(self.validate_every >= 1, "budget.validate_every", "at least 1", self.validate_every)


@dataclass(frozen=True)
class Checkpoint:
    """How often `last.ckpt` is written within an epoch; after an epoch it always is.

    Args:
        steps: after every so many optimiser steps; None to leave it to the clock.
        minutes: when so much time has passed since the last one; None for never.
    """

    steps: int | None = None
    minutes: float | None = 10.0

    def __post_init__(self) -> None:
        require(self.steps is None or self.steps >= 1, "checkpoint.steps", "at least 1", self.steps)
        require(self.minutes is None or self.minutes >= 0, "checkpoint.minutes", "not negative", self.minutes)


@dataclass(frozen=True)
class Loader:
    """How data is read.

    Args:
        batch_size: people per batch and device.
        workers: processes that read and crop; 0 does it in the training process.
        augment: training crops are moved, scaled, turned, mirrored and coloured at random.
    """

    batch_size: int = 32
    workers: int = 2
    augment: bool = True

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "loader.batch_size", "at least 1", self.batch_size)
        require(self.workers >= 0, "loader.workers", "not negative", self.workers)


@dataclass(frozen=True)
class Hardware:
    """Where training runs (Lightning's Trainer has the same names).

    Args:
        accelerator: "auto", "cpu", "gpu", "mps"...
        devices: how many, or "auto" for all.
        nodes: machines.
        strategy: "auto" is one device, or DDP for several.
        precision: "32-true", "bf16-mixed" or "16-mixed"; a flow stays in float32.
    """

    accelerator: str = "auto"
    devices: int | str = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"


RECORDS: dict[str, Any] = {
    record.__name__.lower(): record for record in (Optimiser, Budget, Checkpoint, Loader, Hardware)
}
"""What every run's configuration has of these, by its key."""


@runtime_checkable
class RunConfig(Protocol):
    """What every training run is told, whatever it trains."""

    @property
    def train_data(self) -> Part | None:
        """What it learns from; None where Python code brings it."""

    @property
    def optimiser(self) -> Optimiser:
        """See `Optimiser`."""

    @property
    def budget(self) -> Budget:
        """See `Budget`."""

    @property
    def checkpoint(self) -> Checkpoint:
        """See `Checkpoint`."""

    @property
    def loader(self) -> Loader:
        """See `Loader`."""

    @property
    def hardware(self) -> Hardware:
        """See `Hardware`."""

    @property
    def seed(self) -> int:
        """Of everything random."""

    @property
    def tensorboard(self) -> bool | None:
        """Write TensorBoard's event files; None where it is installed."""

    @property
    def logger(self) -> Part | None:
        """A Lightning logger besides."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `config.yaml` has them."""


@dataclass(frozen=True)
class Config:
    """Everything that makes one training run.

    Args:
        head: the head; its number of channels and keypoints are filled in.
        train_data: the data set to learn from; None where Python code hands it over itself.
        val_data: the data set to check on after an epoch.
        image_size: height and width of the crops.
        box_padding: how much larger than a person's box the crop is.
        backbone: see `Backbone`.
        optimiser: see `Optimiser`.
        budget: see `Budget`.
        checkpoint: see `Checkpoint`.
        loader: see `Loader`.
        augment: values of `poserior.transforms.Augment` that differ from its defaults.
        hardware: see `Hardware`.
        warm_start: another run's folder, whose backbone's weights are the start.
        seed: of the weights, the order of the data and the augmentation.
        tensorboard: write TensorBoard's event files too; None does so where the package `tensorboard` is installed.
        logger: any Lightning logger besides, by its class's name and arguments, e.g. ``{class_path: CSVLogger}``.
    """

    head: Part
    train_data: Part | None = None
    val_data: Part | None = None
    image_size: tuple[int, int] = (256, 192)
    box_padding: float = 1.25
    backbone: Backbone = Backbone()
    optimiser: Optimiser = Optimiser()
    budget: Budget = Budget()
    checkpoint: Checkpoint = Checkpoint()
    loader: Loader = Loader()
    augment: dict[str, float] = field(default_factory=dict)
    hardware: Hardware = Hardware()
    warm_start: str | None = None
    seed: int = 0
    tensorboard: bool | None = None
    logger: Part | None = None

    def __post_init__(self) -> None:
        require(min(self.image_size) >= 8, "image_size", "two sides of at least 8 pixels", list(self.image_size))
        require(self.box_padding > 0, "box_padding", "above 0", self.box_padding)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `config.yaml` has them."""
        return {**asdict(self), "image_size": list(self.image_size)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """The record that `to_dict` came from."""
        records = {"backbone": Backbone, **RECORDS}
        built = {key: record(**values[key]) for key, record in records.items() if key in values}
        size = {"image_size": tuple(values["image_size"])} if "image_size" in values else {}
        return cls(**{**values, **built, **size})
