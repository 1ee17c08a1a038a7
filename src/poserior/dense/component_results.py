"""Annotations and answers of whole pictures in COCO's form, to be counted by its rules."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.geometry import xyxy_to_xywh
from poserior.metrics import coco_average_precision, coco_box_average_precision
from poserior.skeletons import Skeleton

Json = dict[str, Any]
MOST_PEOPLE = 20
"""COCO counts so many people of a picture."""


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
