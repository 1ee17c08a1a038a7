"""Annotated people in picture files, held as a few arrays, and the data set made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poserior.datasets._stored import Pictures as Pictures
from poserior.datasets._stored import StoredPictures
from poserior.datasets.base import KeypointDataset
from poserior.pictures import Images
from poserior.skeletons import Skeleton
from poserior.structures import Sample


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


def coco_content(
    people: People,
    category_id: NDArray[np.int64],
    pictures: Pictures,
    categories: Sequence[tuple[int, str]],
    skeleton: Skeleton | None,
) -> dict[str, Any]:
    """A COCO file's content; without a skeleton there are no keypoints in it."""
    visibility = people.visibility
    points = np.where(visibility[..., None] > 0, people.keypoints.astype(np.float64) - 0.5, 0.0)
    flat = np.concatenate([points, visibility[..., None]], -1).reshape(len(people), 3 * visibility.shape[1])
    boxes = np.concatenate([people.box_xyxy[:, :2], people.box_xyxy[:, 2:] - people.box_xyxy[:, :2]], 1)
    annotations: list[dict[str, Any]] = [
        {
            "id": int(people.annotation_id[i]),
            "image_id": pictures.ids[people.picture[i]].item(),
            "category_id": int(category_id[i]),
            "iscrowd": int(people.crowd[i]),
            "bbox": boxes[i].tolist(),
            "area": float(people.area[i]),
        }
        for i in range(len(people))
    ]
    names: dict[str, Any] = {}
    if skeleton is not None:
        for i, annotation in enumerate(annotations):
            annotation |= {"num_keypoints": int((visibility[i] > 0).sum()), "keypoints": flat[i].tolist()}
        edges = [[a + 1, b + 1] for a, b in skeleton.edges]  # COCO's own are 1-based
        names = {"keypoints": list(skeleton.keypoints), "skeleton": edges}
    images = [
        {"id": number.item(), "file_name": str(name), "height": int(size[0]), "width": int(size[1])}
        for number, name, size in zip(pictures.ids, pictures.names, pictures.sizes, strict=True)
    ]
    listed = [{"id": number, "name": name, **names} for number, name in categories]
    return {"info": {}, "images": images, "categories": listed, "annotations": annotations}


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
        self._stored = StoredPictures(np.unique(samples.picture).tolist(), pictures, images)
        self.num_skipped = 0
        if skip_corrupt:
            keep = ~np.isin(samples.picture, self._stored.corrupt())
            self.num_skipped = int((~keep).sum())
            self.samples = samples.take(keep)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        people = self.samples
        if not -len(people) <= index < len(people):
            raise IndexError(f"expected an index below {len(people)}, found {index}")
        picture = int(people.picture[index])
        image = self._stored.pixels(picture)
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
            source=self._stored.source(picture),
            head_size=None if np.isnan(head_size) else head_size,
        )

    def image_id(self, index: int) -> int | str:
        found: int | str = self.pictures.ids[self.samples.picture[index]].item()
        return found

    def coco_dict(self) -> dict[str, Any]:
        """The annotations as a COCO keypoint file holds them, crowds and unlabelled people included.

        What pycocotools needs as ground truth: ``COCO.dataset``. Coordinates are pixel indices again (-0.5).
        """
        category = np.full(len(self.annotated), self.category[0])
        return coco_content(self.annotated, category, self.pictures, [self.category], self.skeleton)

    def stored(self, picture: int) -> str:
        """Where in `images` a sample's picture lies."""
        return self._stored.path(picture)
