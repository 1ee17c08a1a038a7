"""A data set seen through a transform whose random changes are drawn anew every epoch."""

from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch.utils.data import Dataset

Item = TypeVar("Item")


@runtime_checkable
class Transform(Protocol):
    """What is done to each item; without `augment` nothing of it is random."""

    augment: Any

    def __call__(self, item: Any, rng: np.random.Generator | None = None, /) -> Any:
        """The changed item."""


@runtime_checkable
class Indexed(Protocol):
    """Anything that gives items by index: a data set, a subset, a list."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Any:
        """One of them."""


class Items(Dataset[Item]):
    """A data set's items, transformed; random changes depend on (seed, epoch, index) and on nothing else.

    So neither the number of workers nor the order of access changes an item, and a resumed run sees what an
    uninterrupted one would have seen.

    Args:
        dataset: the items.
        transform: what is done to each.
        seed: of the random changes.
    """

    def __init__(self, dataset: Indexed, transform: Transform, seed: int = 0) -> None:
        self.dataset, self.transform, self.seed = dataset, transform, seed
        # In shared memory: workers that outlive an epoch see the next one's number.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]  # torch's

    @property
    def epoch(self) -> int:
        """The epoch whose random changes are drawn."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw anew: to be called before the epoch's first batch is asked for."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Item:
        index = range(len(self))[index]
        if self.transform.augment is None:
            changed: Item = self.transform(self.dataset[index])
        else:
            changed = self.transform(self.dataset[index], np.random.default_rng((self.seed, self.epoch, index)))
        return changed
