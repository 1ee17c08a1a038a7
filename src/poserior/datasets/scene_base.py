"""The contract of every data set of whole pictures."""

from abc import ABC, abstractmethod

from torch.utils.data import Dataset

from poserior.scenes import Scene
from poserior.skeletons import Skeleton


class SceneDataset(Dataset[Scene], ABC):
    """Whole pictures with all their objects, one `Scene` each; what configurations name a data set by.

    Attributes:
        categories: the objects' names, by index.
        skeleton: what the keypoints are; None for mere boxes.
    """

    categories: tuple[str, ...]
    skeleton: Skeleton | None

    @abstractmethod
    def __len__(self) -> int:
        """How many pictures."""

    @abstractmethod
    def __getitem__(self, index: int) -> Scene:
        """One of them, `index` from 0."""
