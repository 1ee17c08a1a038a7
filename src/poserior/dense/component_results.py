"""Annotations and answers of whole pictures in COCO's form, to be counted by its rules."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.geometry import box_area, xyxy_to_xywh
from poserior.metrics import coco_average_precision, coco_box_average_precision
from poserior.scenes import Scene
from poserior.skeletons import Skeleton

Json = dict[str, Any]
MOST_PEOPLE = 20
"""COCO counts so many people of a picture."""


def annotations_of(number: int, scene: Scene) -> list[Json]:
    """A picture's objects and crowds as COCO annotations without ``id``; categories are numbered from 1."""
    labelled = scene.visibility > 0
    points = torch.cat([(scene.keypoints - 0.5).double(), scene.visibility[..., None].double()], -1)
    points = torch.where(labelled[..., None], points, 0.0)
    keypoints = points.flatten(1).tolist()
    found = []
    for n, box in enumerate(xyxy_to_xywh(scene.box_xyxy).tolist()):
        entry: Json = {"image_id": number, "category_id": int(scene.category[n]) + 1, "bbox": box, "iscrowd": 0}
        entry["area"] = float(scene.area[n]) or box[2] * box[3]
        if scene.skeleton is not None:
            entry |= {"keypoints": keypoints[n], "num_keypoints": int(labelled[n].sum())}
        found.append(entry)
    for box, area in zip(xyxy_to_xywh(scene.crowd_xyxy).tolist(), box_area(scene.crowd_xyxy).tolist(), strict=True):
        entry = {"image_id": number, "category_id": 1, "bbox": box, "iscrowd": 1, "area": area}
        if scene.skeleton is not None:
            entry |= {"keypoints": [0.0] * (3 * scene.skeleton.num_keypoints), "num_keypoints": 0}
        found.append(entry)
    return found


def annotation_file(pictures: int, entries: Sequence[Json], categories: Sequence[str]) -> Json:
    """A COCO dictionary of pictures 0 to `pictures` and their annotations."""
    return {
        "images": [{"id": n} for n in range(pictures)],
        "categories": [{"id": c, "name": name} for c, name in enumerate(categories, 1)],
        "annotations": [{**entry, "id": n} for n, entry in enumerate(entries, 1)],
    }


def results_of(
    number: int,
    score: Float[Tensor, "N"],
    category: Int[Tensor, "N"],
    box_xyxy: Float[Tensor, "N 4"],
    points: Float[Tensor, "N K 2"],
) -> list[Json]:
    """One picture's answers as COCO results, without those of score 0: of poses the best `MOST_PEOPLE`."""
    order = score.argsort(descending=True)
    order = order[score[order] > 0]
    if not points.shape[1]:
        return [
            {"image_id": number, "category_id": c + 1, "bbox": box, "score": s}
            for c, box, s in zip(
                category[order].tolist(), xyxy_to_xywh(box_xyxy[order]).tolist(), score[order].tolist(), strict=True
            )
        ]
    order = order[:MOST_PEOPLE]
    triples = torch.cat([points[order] - 0.5, torch.ones_like(points[order][..., :1])], -1).flatten(1)
    return [
        {"image_id": number, "category_id": c + 1, "keypoints": person, "score": s}
        for c, person, s in zip(category[order].tolist(), triples.tolist(), score[order].tolist(), strict=True)
    ]


def average_precision(results: Sequence[Json], annotations: Json, skeleton: Skeleton | None) -> dict[str, float]:
    """COCO's numbers of boxes, or of the keypoints of category 1; not a number where nothing is defined."""
    if skeleton is not None:
        return coco_average_precision(list(results), annotations, skeleton.oks_sigmas, 1)
    return coco_box_average_precision(list(results), annotations)
