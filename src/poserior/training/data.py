"""Data sets to batches: crops, order and workers."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from typing_extensions import override

from poserior import transforms
from poserior.datasets import KeypointDataset
from poserior.errors import InputError
from poserior.structures import Target
from poserior.training.config import Loader

Record = TypeVar("Record")


@runtime_checkable
class Items(Protocol):
    """What batches are made of: a data set whose random changes depend on the epoch."""

    @property
    def epoch(self) -> int:
        """The epoch whose random changes are drawn."""

    def set_epoch(self, epoch: int) -> None:
        """Draw anew."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int) -> Any:
        """One of them."""


def to_device(record: Record, device: torch.device | str) -> Record:
    """The same record with its tensors on another device (MPS, which has no float64, gets float32)."""

    def move(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: move(entry) for key, entry in value.items()}
        if not isinstance(value, Tensor):
            return value
        if torch.device(device).type == "mps" and value.dtype == torch.float64:
            value = value.float()
        return value.to(device, non_blocking=True)

    fields = dataclasses.fields(record)  # type: ignore[arg-type]  # a dataclass, which no type says
    return type(record)(**{field.name: move(getattr(record, field.name)) for field in fields})


class Order(Sampler[int]):
    """The indices of an epoch; shuffled by (seed, epoch) alone, divided between processes.

    The last processes' shares are filled up from the epoch's start where they would be smaller than the first's, or
    all are cut to the smallest.

    Args:
        crops: what is indexed; told the epoch too, which its random changes depend on.
        shuffle: a new order every epoch.
        seed: of that order.
        rank: which process this is.
        world: how many there are.
        cut: shares are cut, not filled up: with full batches only, several processes then see the batches that one
            with their common batch size would see.
    """

    def __init__(
        self,
        crops: Items,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        cut: bool = False,
    ) -> None:
        self.crops, self.shuffle, self.seed, self.rank, self.world = crops, shuffle, seed, rank, world
        self.cut = cut
        self.skip: tuple[int, int] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before every epoch."""
        self.crops.set_epoch(epoch)

    def __len__(self) -> int:
        return (len(self.crops) + (0 if self.cut else self.world - 1)) // self.world

    def own(self, start: int, count: int) -> int:
        """How many of the `count` indices from place `start` of this process's share are no filling."""
        return sum((start + place) * self.world + self.rank < len(self.crops) for place in range(count))

    def __iter__(self) -> Iterator[int]:
        order = np.arange(len(self.crops))
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.crops.epoch)).permutation(order)
        shares = np.resize(order, (len(self), self.world))
        first = self.skip[1] if self.skip is not None and self.skip[0] == self.crops.epoch else 0
        return iter(shares[first:, self.rank].tolist())


class ResumableLoader(DataLoader[Any]):
    """Batches that remember how far the epoch is; Lightning puts their state into checkpoints."""

    sampler: Order
    batch_size: int
    _batch = 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # torch names its own iterator class
        skip = self.sampler.skip
        self._batch = skip[1] // self.batch_size if skip is not None and skip[0] == self.sampler.crops.epoch else 0
        return self._counted(super().__iter__())

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            self._batch += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The next batch's epoch and place in it, and for how many processes."""
        epoch, batch = self.sampler.crops.epoch, self._batch
        if batch >= len(self):
            epoch, batch = epoch + 1, 0
        return {"epoch": epoch, "batch": batch, "batch_size": self.batch_size, "processes": self.sampler.world}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin at that batch; Lightning calls this before it asks for the first one."""
        if state["batch"] and state["processes"] != self.sampler.world:
            raise InputError(
                f"expected {state['processes']} processes to go on within an epoch of that many, found"
                f" {self.sampler.world}; resume with the same hardware options"
            )
        self.sampler.set_epoch(state["epoch"])
        self.sampler.skip = (state["epoch"], state["batch"] * self.batch_size)

    def rewind(self, batches: int) -> None:
        """Count so many of the last batches as not seen."""
        self._batch -= batches


class Batches(pl.LightningDataModule):
    """The batches of one run, whatever they are made of.

    Args:
        train: what to learn from.
        val: what to check on; None for no validation.
        loader: batch size and workers.
        collate: a list of items to a batch.
        seed: of the order.
    """

    def __init__(
        self, train: Items, val: Items | None, loader: Loader, collate: Callable[[list[Any]], Any], seed: int = 0
    ) -> None:
        super().__init__()
        self.train, self.val, self.loader, self.collate, self.seed = train, val, loader, collate, seed
        self._batches_to_learn: DataLoader[Any] | None = None
        self._resumed: dict[str, Any] | None = None

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled; a last batch that is not full is left out, unless it is the only one."""
        full = len(self.train) >= self.loader.batch_size * self._world
        self._batches_to_learn = self._batches(self.train, train=True, drop_last=full)
        if self._resumed is not None and isinstance(self._batches_to_learn, ResumableLoader):
            # Lightning hands a loader its state only after it has asked it for an iterator
            self._batches_to_learn.load_state_dict(self._resumed)
        return self._batches_to_learn

    @override
    def state_dict(self) -> dict[str, Any]:
        loader = self._batches_to_learn
        return {"train": loader.state_dict()} if isinstance(loader, ResumableLoader) else {}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._resumed = state_dict.get("train")

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """In order, complete."""
        return [] if self.val is None else self._batches(self.val, train=False, drop_last=False)

    def own_items(self, batch_idx: int, count: int) -> int:
        """How many of the validation batch's `count` items are this process's own, and no filling at its end."""
        assert self.val is not None
        order = Order(self.val, False, self.seed, *self._place)
        return order.own(batch_idx * self.loader.batch_size, count)

    @property
    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    @property
    def _world(self) -> int:
        return self._place[1]

    def _batches(self, items: Items, train: bool, drop_last: bool) -> DataLoader[Any]:
        kind = ResumableLoader if train else DataLoader
        workers = min(self.loader.workers, -(-len(items) // self.loader.batch_size))
        return kind(
            items,  # type: ignore[arg-type]  # torch's own class, of which nothing but these methods is asked
            batch_size=self.loader.batch_size,
            sampler=Order(items, train, self.seed, *self._place, cut=drop_last),
            generator=torch.Generator().manual_seed(self.seed),  # not the global one, which the model draws from
            num_workers=workers,
            collate_fn=self.collate,
            drop_last=drop_last,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            worker_init_fn=_one_thread,
            persistent_workers=workers > 0,
        )


class Data(Batches):
    """The crops of one run's people in batches.

    Args:
        train: the people to learn from.
        val: the people to check on; None for no validation.
        image_size: the crops' ``(H, W)``.
        box_padding: how much larger than a person's box the crop is.
        loader: batch size, workers, and whether to augment.
        augment: values of `transforms.Augment` that differ from its defaults.
        seed: of order and augmentation.
    """

    def __init__(
        self,
        train: KeypointDataset,
        val: KeypointDataset | None,
        image_size: tuple[int, int],
        box_padding: float,
        loader: Loader,
        augment: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        if len(train) == 0:
            raise InputError("expected people to learn from, found an empty training set; correct its arguments")
        if val is not None and val.skeleton != train.skeleton:
            raise InputError(
                f"expected one skeleton for training and validation, found {train.skeleton.name!r} and"
                f" {val.skeleton.name!r}; choose data sets that agree"
            )
        chosen = transforms.Augment(**(augment or {})) if loader.augment else None
        plain = transforms.TopDown(image_size, box_padding)
        super().__init__(
            transforms.Cropped(train, transforms.TopDown(image_size, box_padding, chosen), seed),
            transforms.Cropped(val, plain) if val is not None and len(val) else None,
            loader,
            transforms.collate,
            seed,
        )

    @override
    def transfer_batch_to_device(
        self, batch: tuple[Tensor, Target], device: torch.device, dataloader_idx: int
    ) -> tuple[Tensor, Target]:
        images, target = batch
        return images.to(device, non_blocking=True), to_device(target, device)


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
