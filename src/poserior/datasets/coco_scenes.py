"""Whole pictures from COCO's files: objects' boxes, or people with keypoints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poserior.datasets._json import numbers
from poserior.datasets._people import coco_content
from poserior.datasets._stored import StoredPictures
from poserior.datasets.coco import read_people, read_rows
from poserior.datasets.scene_base import SceneDataset
from poserior.errors import InputError
from poserior.pictures import open_images
from poserior.scenes import Scene
from poserior.skeletons import Skeleton, load


class CocoScenes(SceneDataset):
    """One `Scene` per picture of a COCO file, of instances (boxes) or of keypoints.

    Crowd annotations become `crowd_xyxy`; objects whose box has no extent in the picture are left out; people without
    a labelled keypoint count for their boxes. All of them stay in `coco_dict`. COCO's keypoints are pixel indices: half
    a pixel is added here. Boxes are cut to the picture; the area is the file's, or where that is missing or 0, 0.53
    times the box's. Annotations are held as arrays, some 100 bytes per box and 250 per person.

    Args:
        annotations: the ``.json`` or ``.json.gz`` file.
        images: a folder, an uncompressed ``.tar`` or a ``.zip``, see `CocoKeypoints`.
        skeleton: of the keypoints: a built-in skeleton's name, the path of a YAML file, or a `Skeleton`; None for mere
            boxes.
        categories: ids or names of those that count, in the order that `Scene.category` numbers them by; None for all,
            or with a skeleton for those that list its keypoints, in the file's order.
        with_empty: keep pictures without a single object to learn from.
        skip_corrupt: decode every picture at once and leave out those that cannot be decoded (`num_skipped` pictures).
        facts: keys of annotations whose numbers become the scenes' `facts`, where any annotation has them; objects
            that lack one have not a number. The default is what `write_scene_coco` writes.

    Raises:
        InputError: a file is missing or not in the format, a count, coordinate or box is impossible, nothing is left;
            on access, a picture cannot be decoded or has another size than the annotations say.

    Attributes:
        annotation_file: the path given, for tools that read it themselves.
        category_ids: the categories' numbers in the file, in the order of `categories`.
        image_ids: of the pictures, by index.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        skeleton: str | Path | Skeleton | None = None,
        categories: Sequence[int | str] | None = None,
        with_empty: bool = False,
        skip_corrupt: bool = False,
        facts: Sequence[str] = ("facing",),
    ) -> None:
        self.annotation_file = Path(annotations)
        self.skeleton = load(skeleton) if isinstance(skeleton, str | Path) else skeleton
        content = read_rows(annotations, self.skeleton, categories)
        people = read_people(content, self.skeleton, empty_boxes=True)
        self._facts = _read_facts(content.rows, facts, content.where)
        self._categories = content.categories
        self.categories = tuple(name for _, name in content.categories)
        self.category_ids = tuple(number for number, _ in content.categories)
        # Each picture's annotations lie together.
        order = np.argsort(people.picture, kind="stable")
        self.annotated, self._category_id = people.take(order), content.category_id[order]
        self._facts = {name: values[order] for name, values in self._facts.items()}
        position = {number: i for i, number in enumerate(self.category_ids)}
        self._category = np.array([position[number] for number in self._category_id.tolist()], np.int64)
        boxes = self.annotated.box_xyxy
        self._counts = ~self.annotated.crowd & (boxes[:, 2:] > boxes[:, :2]).all(1)
        self.pictures = content.pictures
        shown = np.arange(len(self.pictures.ids)) if with_empty else np.unique(self.annotated.picture[self._counts])
        if len(shown) == 0:
            raise InputError(
                f"expected at least one picture with an object in {annotations}, found none; choose other categories,"
                " or pass with_empty=True"
            )
        self._stored = StoredPictures(shown.tolist(), self.pictures, open_images(images))
        self.num_skipped = 0
        if skip_corrupt:
            whole = ~np.isin(shown, self._stored.corrupt())
            self.num_skipped = int((~whole).sum())
            shown = shown[whole]
        self._shown = shown
        self._first = np.searchsorted(self.annotated.picture, shown, "left")
        self._last = np.searchsorted(self.annotated.picture, shown, "right")

    @property
    def image_ids(self) -> list[int | str]:
        found: list[int | str] = self.pictures.ids[self._shown].tolist()
        return found

    def __len__(self) -> int:
        return len(self._shown)

    def __getitem__(self, index: int) -> Scene:
        if not -len(self) <= index < len(self):
            raise IndexError(f"expected an index below {len(self)}, found {index}")
        picture, people = int(self._shown[index]), self.annotated
        image = self._stored.pixels(picture)
        every = np.arange(self._first[index], self._last[index])
        crowd, chosen = every[people.crowd[every]], every[self._counts[every]]
        return Scene(
            image=torch.from_numpy(image),
            box_xyxy=_tensor(people.box_xyxy[chosen], np.float32),
            category=_tensor(self._category[chosen], np.int64),
            keypoints=_tensor(people.keypoints[chosen], np.float32),
            visibility=_tensor(people.visibility[chosen], np.int64),
            area=_tensor(people.area[chosen], np.float32),
            annotation_id=_tensor(people.annotation_id[chosen], np.int64),
            crowd_xyxy=_tensor(people.box_xyxy[crowd], np.float32),
            categories=self.categories,
            skeleton=self.skeleton,
            image_id=self.pictures.ids[picture].item(),
            original_size=(image.shape[0], image.shape[1]),
            source=self._stored.source(picture),
            facts={name: _tensor(values[chosen], np.float32) for name, values in self._facts.items()},
        )

    def coco_dict(self) -> dict[str, Any]:
        """The annotations as a COCO file holds them, of the pictures that are items; crowds and all.

        What pycocotools needs as ground truth: ``COCO.dataset``. Coordinates are pixel indices again (-0.5).
        """
        here = np.isin(self.annotated.picture, self._shown)
        people, category_id = self.annotated.take(here), self._category_id[here]
        content = coco_content(people, category_id, self.pictures, self._categories, self.skeleton)
        wanted = set(self.image_ids)
        return content | {"images": [image for image in content["images"] if image["id"] in wanted]}


def _tensor(values: NDArray[Any], kind: type[np.generic]) -> torch.Tensor:
    return torch.from_numpy(values.astype(kind))


def _read_facts(rows: list[dict[str, Any]], names: Sequence[str], where: str) -> dict[str, NDArray[np.float32]]:
    found = {}
    for name in names:
        have = [i for i, row in enumerate(rows) if row.get(name) is not None]
        if have:
            values = np.full(len(rows), np.nan, np.float32)
            some = [rows[i] for i in have]
            values[have] = numbers(some, [row[name] for row in some], 1, name, where)[:, 0]
            found[name] = values
    return found
