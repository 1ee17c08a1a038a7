"""The labels of whole pictures in COCO's form."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from poserior.dense.spec import DenseSpec
from poserior.scenes import Scene

Json = dict[str, Any]


@runtime_checkable
class Scenes(Protocol):
    """Whole pictures by index, all of the same categories and skeleton."""

    categories: tuple[str, ...]

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, index: int, /) -> Scene:
        """One of them."""


@runtime_checkable
class Annotated(Protocol):
    """Scenes that come from a file and know what it says."""

    category_ids: tuple[int, ...]

    def coco_dict(self) -> Json:
        """The annotations as a COCO file holds them."""


class Truth:
    """The labels in COCO's form: the file's own, or made of the scenes that pass by.

    Args:
        dataset: where they come from.
        spec: whose categories and skeleton count.

    Attributes:
        category_ids: the file's numbers of the model's categories, in the model's order.
        objects: how many passed by.
    """

    def __init__(self, dataset: Scenes, spec: DenseSpec) -> None:
        self.objects = 0
        self._file: Json | None = None
        numbers = range(1, len(spec.categories) + 1)
        names = dict(zip(spec.categories, numbers, strict=True))
        if isinstance(dataset, Annotated):
            self._file = dataset.coco_dict()
            names = dict(zip(dataset.categories, dataset.category_ids, strict=True))
        self.category_ids = [names[name] for name in spec.categories]
        self._images: list[Json] = []
        self._rows: list[Json] = []
        self._categories = [{"id": number, "name": name} for name, number in names.items()]

    def add(self, scenes: Sequence[Scene]) -> None:
        """Take some pictures' labels in."""
        self.objects += sum(len(scene.category) for scene in scenes)
        if self._file is None:
            for scene in scenes:
                self._images.append({"id": scene.image_id})
                self._rows += self._of(scene)

    def _of(self, scene: Scene) -> Iterator[Json]:
        corners = scene.box_xyxy.double()
        boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).tolist()
        labelled = scene.visibility > 0
        points = (scene.keypoints.double() - 0.5).where(labelled[..., None], 0.0)
        triples = torch.cat([points, scene.visibility[..., None].double()], -1).flatten(1).tolist()
        for n, box in enumerate(boxes):
            row = {"image_id": scene.image_id, "category_id": self.category_ids[int(scene.category[n])], "bbox": box}
            row |= {"area": float(scene.area[n]), "iscrowd": 0}
            if scene.skeleton is not None:
                row |= {"keypoints": triples[n], "num_keypoints": int(labelled[n].sum())}
            yield row

    def annotations(self) -> Json:
        """All of them."""
        if self._file is not None:
            return self._file
        return {"images": self._images, "categories": self._categories, "annotations": self._rows}
