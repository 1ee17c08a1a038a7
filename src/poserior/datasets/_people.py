"""Annotated people in picture files, held as a few arrays, and the data set made of them."""

import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poserior.datasets.base import KeypointDataset
from poserior.errors import InputError
from poserior.pictures import CorruptImageError, Images, decode
from poserior.skeletons import Skeleton
from poserior.structures import Sample

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pictures:
    """M pictures: ids ``(M,)`` (integers or text), names ``(M,)``, sizes ``(M, 2)`` as (H, W), 0 where unknown."""

    ids: NDArray[Any]
    names: NDArray[Any]
    sizes: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class People:
    """N people as arrays (about 250 bytes each), so that forked workers share them and 150,000 are no burden.

    Attributes:
        picture: ``(N,)`` index into the pictures.
        annotation_id: ``(N,)``.
        keypoints: ``(N, K, 2)`` continuous pixels, zeros where not labelled.
        visibility: ``(N, K)``.
        box_xyxy: ``(N, 4)`` continuous pixels.
        area: ``(N,)`` square pixels.
        crowd: ``(N,)`` bool, a region of many people.
        score: ``(N,)`` of the box.
        head_size: ``(N,)``, not a number where unknown.
    """

    picture: NDArray[np.int64]
    annotation_id: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    visibility: NDArray[np.int8]
    box_xyxy: NDArray[np.float64]
    area: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    score: NDArray[np.float32]
    head_size: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.picture)

    def take(self, index: NDArray[Any]) -> "People":
        """The people at an index (or where a mask is true)."""
        return People(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def labelled(people: People) -> NDArray[np.bool_]:
    """The people that can be learnt from: no crowd, a keypoint at least."""
    return np.asarray(~people.crowd & (people.visibility > 0).any(1))


class PeopleDataset(KeypointDataset):
    """One `Sample` per person in a folder, tar or zip of pictures.

    Args:
        annotated: every annotated person, also those that are no samples (crowds, people without labels).
        samples: the people to iterate over.
        pictures: the pictures both point into.
        images: where they lie.
        skeleton: what the keypoints are.
        skip_corrupt: decode every needed picture now and leave out the people whose picture cannot be decoded;
            their number is `num_skipped`. Otherwise an undecodable picture is an error when it is asked for.
        category: id and name for `coco_dict`.
    """

    def __init__(
        self,
        annotated: People,
        samples: People,
        pictures: Pictures,
        images: Images,
        skeleton: Skeleton,
        skip_corrupt: bool = False,
        category: tuple[int, str] = (1, "person"),
    ) -> None:
        self.annotated, self.samples, self.pictures = annotated, samples, pictures
        self.images, self.skeleton, self.category = images, skeleton, category
        self._root = str(images.root)
        self._stored = _locate(np.unique(samples.picture).tolist(), pictures, images)
        self.num_skipped = 0
        if skip_corrupt:
            self._leave_out_corrupt()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        people = self.samples
        if not -len(people) <= index < len(people):
            raise IndexError(f"expected an index below {len(people)}, found {index}")
        picture = int(people.picture[index])
        image = self._picture(picture)
        head_size = float(people.head_size[index])
        image_id = self.pictures.ids[picture].item()
        return Sample(
            image=torch.from_numpy(image),
            keypoints=torch.from_numpy(people.keypoints[index].copy()),
            visibility=torch.from_numpy(people.visibility[index].astype(np.int64)),
            box_xyxy=torch.from_numpy(people.box_xyxy[index].astype(np.float32)),
            area=float(people.area[index]),
            skeleton=self.skeleton,
            image_id=image_id,
            annotation_id=int(people.annotation_id[index]),
            score=float(people.score[index]),
            source=self._source(picture),
            head_size=None if np.isnan(head_size) else head_size,
        )

    def image_id(self, index: int) -> int | str:
        found: int | str = self.pictures.ids[self.samples.picture[index]].item()
        return found

    def coco_dict(self) -> dict[str, Any]:
        """The annotations as a COCO keypoint file holds them, crowds and unlabelled people included.

        What pycocotools needs as ground truth: ``COCO.dataset``. Coordinates are pixel indices again (-0.5).
        """
        people, pictures, number = self.annotated, self.pictures, self.category[0]
        visibility = people.visibility
        points = np.where(visibility[..., None] > 0, people.keypoints.astype(np.float64) - 0.5, 0.0)
        flat = np.concatenate([points, visibility[..., None]], -1).reshape(len(people), -1)
        boxes = np.concatenate([people.box_xyxy[:, :2], people.box_xyxy[:, 2:] - people.box_xyxy[:, :2]], 1)
        annotations = [
            {
                "id": int(people.annotation_id[i]),
                "image_id": pictures.ids[people.picture[i]].item(),
                "category_id": number,
                "iscrowd": int(people.crowd[i]),
                "num_keypoints": int((visibility[i] > 0).sum()),
                "keypoints": flat[i].tolist(),
                "bbox": boxes[i].tolist(),
                "area": float(people.area[i]),
            }
            for i in range(len(people))
        ]
        images = [
            {"id": number_.item(), "file_name": str(name), "height": int(size[0]), "width": int(size[1])}
            for number_, name, size in zip(pictures.ids, pictures.names, pictures.sizes, strict=True)
        ]
        edges = [[a + 1, b + 1] for a, b in self.skeleton.edges]  # COCO's own are 1-based
        names = {"keypoints": list(self.skeleton.keypoints), "skeleton": edges}
        category = {"id": number, "name": self.category[1], **names}
        return {"info": {}, "images": images, "categories": [category], "annotations": annotations}

    def stored(self, picture: int) -> str:
        """Where in `images` a sample's picture lies."""
        return self._stored[picture]

    def _source(self, picture: int) -> str:
        return f"{self._root}{os.sep}{self._stored[picture]}"

    def _picture(self, picture: int) -> NDArray[np.uint8]:
        advice = "restore the file, or set skip_corrupt=True to leave such images out"
        image = decode(self.images.read(self._stored[picture]), self._source(picture), advice=advice)
        height, width = self.pictures.sizes[picture].tolist()
        if height and image.shape[:2] != (height, width):
            raise InputError(
                f"expected an image of {width} x {height} pixels at {self._source(picture)}, as the annotations say,"
                f" found {image.shape[1]} x {image.shape[0]}; use the images that were annotated"
            )
        return image

    def _leave_out_corrupt(self) -> None:
        def corrupt(picture: int) -> bool:
            try:
                self._picture(picture)
            except CorruptImageError as error:
                _log.warning("left out: %s", error)
                return True
            return False

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter lock
            bad = [picture for picture, is_bad in zip(self._stored, pool.map(corrupt, self._stored)) if is_bad]  # noqa: B905
        keep = ~np.isin(self.samples.picture, bad)
        self.num_skipped = int((~keep).sum())
        self.samples = self.samples.take(keep)


def _locate(needed: Iterable[int], pictures: Pictures, images: Images) -> dict[int, str]:
    found = {int(picture): images.find(str(pictures.names[picture])) for picture in needed}
    missing = [str(pictures.names[picture]) for picture, stored in found.items() if stored is None]
    if missing:
        raise InputError(
            f"expected the image {missing[0]!r} in {images.root}, found neither it nor {len(missing) - 1} more"
            f" of the {len(found)} the annotations need; correct the images' path or the annotations"
        )
    return {picture: stored for picture, stored in found.items() if stored is not None}
