"""Scenes that are drawn when asked for: what is in them follows from a seed and their number."""

from abc import abstractmethod

import numpy as np

from poserior.datasets.scene_base import SceneDataset
from poserior.scenes import Scene


class DrawnScenes(SceneDataset):
    """`length` pictures, each drawn with a random generator of its own.

    Args:
        length: how many.
        seed: which.
        stream: a number of the class's own, which keeps its chance apart from that of others with the same seed.
    """

    def __init__(self, length: int, seed: int, stream: int) -> None:
        self.length, self.seed, self._stream = length, seed, stream

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Scene:
        position = index + self.length if index < 0 else index
        if not 0 <= position < self.length:
            raise IndexError(f"expected an index below {self.length}, found {index}")
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, position, self._stream])))
        return self.drawn(position, rng)

    @abstractmethod
    def drawn(self, position: int, rng: np.random.Generator) -> Scene:
        """The picture of this number."""
