"""The contract of every data set."""

from abc import ABC, abstractmethod

from torch.utils.data import Dataset

from poserior.skeletons import Skeleton
from poserior.structures import Sample


class KeypointDataset(Dataset[Sample], ABC):
    """People in whole pictures, one `Sample` each; what configurations name a data set by.

    Attributes:
        skeleton: what the keypoints of every sample are.
    """

    skeleton: Skeleton

    @abstractmethod
    def __len__(self) -> int:
        """How many people."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """One of them, `index` from 0."""

    def image_id(self, index: int) -> int | str:
        """The id of the picture that a person is in; sets of files know it without opening the picture."""
        return self[index].image_id
