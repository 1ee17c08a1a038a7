"""A data set of whole pictures seen through the scene transform."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import Dataset

from poserior.scenes import Scene
from poserior.transforms.scene import SceneTransform


@runtime_checkable
class Scenes(Protocol):
    """Anything that gives scenes by index: a data set, a subset, a list."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Scene:
        """One of them."""


class SceneItems(Dataset[Scene]):
    """A data set's pictures, transformed; random changes depend on (seed, epoch, index) and on nothing else.

    So neither the number of workers nor the order of access changes a picture, and a resumed run sees what an
    uninterrupted one would have seen.

    Args:
        dataset: whole pictures.
        transform: what is done to each.
        seed: of the random changes.
    """

    def __init__(self, dataset: Scenes, transform: SceneTransform, seed: int = 0) -> None:
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

    def __getitem__(self, index: int) -> Scene:
        index = range(len(self))[index]
        if self.transform.augment is None:
            return self.transform(self.dataset[index])
        return self.transform(self.dataset[index], np.random.default_rng((self.seed, self.epoch, index)))
