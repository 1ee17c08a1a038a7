"""COCO's average precision and recall for keypoints: pycocotools' numbers, for any skeleton."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.base import Visibility
from poserior.metrics.coco_files import Json, load_annotations, load_results
from poserior.metrics.keypoint_eval import KeypointEval
from poserior.structures import Evaluation


def coco_average_precision(
    results: Sequence[Json] | str | Path,
    annotations: Json | str | Path,
    oks_sigmas: Sequence[float],
    category_id: int | None = None,
) -> dict[str, float]:
    """AP and AR of the official COCO keypoint evaluation (Lin et al., 2014), computed by pycocotools.

    Mean over OKS thresholds .50:.05:.95, at most 20 people per picture, crowds and people without labelled keypoints
    ignored; M is an object area of 32^2 to 96^2 square pixels, L above. Results count in the pictures that the
    annotations list.

    Args:
        results: a COCO results list ``[{image_id, category_id, keypoints: [x, y, c, ...], score}, ...]`` or its file.
        annotations: a COCO dictionary or its file (``.json``, ``.json.gz``).
        oks_sigmas: one constant per keypoint; they say how many keypoints there are.
        category_id: whom to count; by default the one category with keypoints, or the one named person.

    Returns:
        ``AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM, ARL`` in [0, 1]; not a number where no object is in the range
        (pycocotools says -1). Without results all that is defined is 0.

    Raises:
        InputError: a file cannot be used; the sentence names the entry.
    """
    return matched_people(results, annotations, oks_sigmas, category_id).stats_of()


def matched_people(
    results: Sequence[Json] | str | Path,
    annotations: Json | str | Path,
    oks_sigmas: Sequence[float],
    category_id: int | None = None,
) -> KeypointEval:
    """Results beside the truth, read, checked and compared once for whatever is asked of them afterwards."""
    truth = load_annotations(annotations, len(oks_sigmas), category_id)
    return KeypointEval(truth, load_results(results, truth, len(oks_sigmas)), oks_sigmas)


def evaluation_to_coco(evaluation: Evaluation, category_id: int = 1) -> tuple[Json, list[Json]]:
    """An evaluation's people as a COCO annotation dictionary and a COCO results list.

    Coordinates become pixel indices (half a pixel less), boxes corner and size. The pictures are those in which the
    evaluation has people, so AP counts no false alarms elsewhere: it is the AP of a top-down method with given boxes.
    To count a data set's crowds and unlabelled people too, compare the results with the annotations of its file. The
    results also have ``confidence`` and, where it is known, ``visibility``, which COCO's tools pass over.
    """
    annotations, results = people_to_coco(
        evaluation.keypoints,
        evaluation.target,
        evaluation.target_visibility,
        evaluation.area,
        evaluation.box_xyxy,
        evaluation.score,
        evaluation.image_id,
        evaluation.annotation_id,
        category_id,
    )
    for key, values in (("confidence", evaluation.confidence), ("visibility", evaluation.visibility)):
        for result, row in zip(results, [] if values is None else values.double().tolist(), strict=False):
            result[key] = row
    return annotations, results


def people_to_coco(
    preds: Float[Tensor, "N K 2"],
    target: Float[Tensor, "N K 2"],
    visibility: Visibility,
    area: Float[Tensor, "N"],
    box_xyxy: Float[Tensor, "N 4"],
    score: Float[Tensor, "N"],
    image_id: Sequence[int | str],
    annotation_id: Sequence[int],
    category_id: int = 1,
) -> tuple[Json, list[Json]]:
    """`evaluation_to_coco` of bare arrays; their meaning is that of `structures.Evaluation`'s."""
    labelled = (visibility > 0)[..., None]
    found = torch.cat([preds.double() - 0.5, torch.ones_like(preds[..., :1], dtype=torch.float64)], -1)
    truth = torch.cat([target.double() - 0.5, visibility[..., None].double()], -1).where(labelled, 0.0)
    boxes = torch.cat([box_xyxy[:, :2], box_xyxy[:, 2:] - box_xyxy[:, :2]], 1).double().tolist()
    annotations, results = [], []
    for n, picture in enumerate(image_id):
        person = {"image_id": picture, "category_id": category_id, "bbox": boxes[n]}
        annotations.append(
            person
            | {
                "id": annotation_id[n],
                "keypoints": truth[n].flatten().tolist(),
                "num_keypoints": int(labelled[n].sum()),
                "area": float(area[n]),
                "iscrowd": 0,
            }
        )
        results.append(person | {"keypoints": found[n].flatten().tolist(), "score": float(score[n])})
    return {
        "images": [{"id": picture} for picture in dict.fromkeys(image_id)],
        "categories": [{"id": category_id, "name": "person"}],
        "annotations": annotations,
    }, results
