"""The labels of whole pictures in COCO's form."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch

from poserior.dense.spec import DenseSpec
from poserior.geometry import xyxy_to_xywh
from poserior.scenes import Scene
from poserior.transforms.scene_items import Scenes as AnyScenes

Json = dict[str, Any]


@runtime_checkable
class Scenes(AnyScenes, Protocol):
    """Whole pictures by index, all of the same categories and skeleton."""

    categories: tuple[str, ...]


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
                self._rows += annotations_of(scene, scene.image_id, self.category_ids)

    def annotations(self) -> Json:
        """All of them."""
        if self._file is not None:
            return self._file
        return {"images": self._images, "categories": self._categories, "annotations": self._rows}


def annotations_of(scene: Scene, image_id: int | str, category_ids: Sequence[int]) -> list[Json]:
    """A picture's objects and crowds as COCO annotations without ``id``; a crowd is of the first category.

    Args:
        scene: the picture as it is, not transformed.
        image_id: what the annotations call it.
        category_ids: the numbers of the scene's categories.
    """
    labelled = scene.visibility > 0
    points = torch.where(labelled[..., None], scene.keypoints.double() - 0.5, 0.0)
    keypoints = torch.cat([points, scene.visibility[..., None].double()], -1).flatten(1).tolist()
    found: list[Json] = []
    for n, box in enumerate(xyxy_to_xywh(scene.box_xyxy.double()).tolist()):
        number = category_ids[int(scene.category[n])]
        entry: Json = {"image_id": image_id, "category_id": number, "bbox": box, "iscrowd": 0}
        entry["area"] = float(scene.area[n]) or box[2] * box[3]
        if scene.skeleton is not None:
            entry |= {"keypoints": keypoints[n], "num_keypoints": int(labelled[n].sum())}
        found.append(entry)
    for box in xyxy_to_xywh(scene.crowd_xyxy.double()).tolist():
        entry = {"image_id": image_id, "category_id": category_ids[0], "bbox": box, "iscrowd": 1}
        entry["area"] = box[2] * box[3]
        if scene.skeleton is not None:
            entry |= {"keypoints": [0.0] * (3 * scene.skeleton.num_keypoints), "num_keypoints": 0}
        found.append(entry)
    return found
