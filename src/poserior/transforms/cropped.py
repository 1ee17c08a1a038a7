"""A data set seen through the top-down transform."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import Dataset

from poserior.structures import Sample
from poserior.transforms.top_down import TopDown


@runtime_checkable
class Samples(Protocol):
    """Anything that gives samples by index: a data set, a subset, a list."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Sample:
        """One of them."""


class Cropped(Dataset[Sample]):
    """The crops of a data set's people; random changes depend on (seed, epoch, index) and on nothing else.

    So neither the number of workers nor the order of access changes a crop, and a resumed run sees what an
    uninterrupted one would have seen.

    Args:
        dataset: people in whole pictures.
        top_down: the transform.
        seed: of the random changes.
    """

    def __init__(self, dataset: Samples, top_down: TopDown, seed: int = 0) -> None:
        self.dataset, self.top_down, self.seed = dataset, top_down, seed
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

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        if self.top_down.augment is None:
            return self.top_down(self.dataset[index])
        return self.top_down(self.dataset[index], np.random.default_rng((self.seed, self.epoch, index)))
