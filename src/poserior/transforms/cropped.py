"""A data set seen through the top-down transform."""

from typing import Protocol, runtime_checkable

from poserior.structures import Sample
from poserior.transforms.items import Items
from poserior.transforms.top_down import TopDown


@runtime_checkable
class Samples(Protocol):
    """Anything that gives samples by index: a data set, a subset, a list."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Sample:
        """One of them."""


class Cropped(Items[Sample]):
    """The crops of a data set's people, see `Items`.

    Args:
        dataset: people in whole pictures.
        top_down: the transform.
        seed: of the random changes.
    """

    def __init__(self, dataset: Samples, top_down: TopDown, seed: int = 0) -> None:
        super().__init__(dataset, top_down, seed)
