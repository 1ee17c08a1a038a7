"""A data set of whole pictures seen through the scene transform."""

from typing import Protocol, runtime_checkable

from poserior.scenes import Scene
from poserior.transforms.items import Items
from poserior.transforms.scene import SceneTransform


@runtime_checkable
class Scenes(Protocol):
    """Anything that gives scenes by index: a data set, a subset, a list."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Scene:
        """One of them."""


class SceneItems(Items[Scene]):
    """A data set's pictures, transformed, see `Items`.

    Args:
        dataset: whole pictures.
        transform: what is done to each.
        seed: of the random changes.
    """

    def __init__(self, dataset: Scenes, transform: SceneTransform, seed: int = 0) -> None:
        super().__init__(dataset, transform, seed)
