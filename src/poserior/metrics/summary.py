"""The numbers of ``metrics.json``."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.metrics.average_precision import coco_average_precision, evaluation_to_coco
from poserior.metrics.base import Visibility, masked_mean
from poserior.metrics.coco_files import Json
from poserior.metrics.correlation import pearson, spearman
from poserior.metrics.coverage import PROBABILITIES, coverage
from poserior.metrics.end_point import end_point_error
from poserior.metrics.oks import keypoint_oks
from poserior.metrics.parts import average_precision_by_part, joined_files
from poserior.metrics.pck import pck
from poserior.metrics.reliability import ece, within_unit
from poserior.metrics.sparsification import ause
from poserior.structures import Evaluation


def summarise(
    evaluation: Evaluation,
    results: Sequence[Json] | str | Path | None = None,
    annotations: Json | str | Path | None = None,
    category_id: int | None = None,
) -> dict[str, Any]:
    """All metrics of an evaluation as plain numbers, ready for JSON; None where a metric is not defined.

    - ``AP, AP50, AP75, APM, APL, AR``: `coco_average_precision` of the evaluation's people, or of `results` against
      `annotations` where those are given.
    - ``OKS``: mean over people. ``PCK@0.2``: the size is the longest side of the person's box. ``EPE``: pixels of the
      original picture. ``NLL``: nats per labelled keypoint in crop-normalised units.
    - ``coverage@50`` and so on: share of labels inside the density's regions of highest density.
    - ``pearson, spearman, AUSE, ECE``: the keypoints' confidence against their realised OKS (errors ``1 - OKS``); with
      ``_instance`` the people's score against theirs. No ECE for another tool's scores outside [0, 1].
    - ``num_people`` with a labelled keypoint, ``num_keypoints`` labelled.
    - ``per_keypoint``: by the keypoint's name, the same of that keypoint alone.
    - ``per_part``, if the skeleton has parts: by the part's name, `average_precision_by_part` and the same of that
      part's keypoints.

    Args:
        evaluation: predicted people beside the truth.
        results: a COCO results list or file, all of whose entries count for AP.
        annotations: the COCO dictionary or file that it is compared with; needed with `results`.
        category_id: see `coco_average_precision`.

    Raises:
        InputError: a file cannot be used.
        ValueError: only one of `results` and `annotations` was given, or a labelled person's box has no size.
    """
    if (results is None) != (annotations is None):
        raise ValueError("expected results and annotations together, found one of them; give both or none")
    sigmas = evaluation.skeleton.oks_sigmas
    if annotations is None or results is None:
        annotations, results = evaluation_to_coco(evaluation)
    results, annotations = joined_files(results, annotations, evaluation.skeleton)
    precision = coco_average_precision(results, annotations, sigmas, category_id)
    visibility = evaluation.target_visibility
    similarity = keypoint_oks(evaluation.keypoints, evaluation.target, evaluation.area, sigmas, visibility)
    person_oks = masked_mean(similarity, visibility, dim=1)
    counted = (visibility > 0).any(1)
    summary: dict[str, Any] = {key: precision[key] for key in ("AP", "AP50", "AP75", "APM", "APL", "AR")}
    summary["OKS"] = masked_mean(person_oks, counted)
    summary |= _keypoint_metrics(evaluation, similarity, slice(None))
    summary |= {
        "pearson_instance": pearson(evaluation.score, person_oks, counted),
        "spearman_instance": spearman(evaluation.score, person_oks, counted),
        "AUSE_instance": ause(1 - person_oks, evaluation.score, counted),
        "num_people": int(counted.sum()),
    }
    summary = {key: _plain(value) for key, value in summary.items()}
    summary["per_keypoint"] = {
        name: {"OKS": _plain(masked_mean(similarity[:, k], visibility[:, k]))}
        | {key: _plain(value) for key, value in _keypoint_metrics(evaluation, similarity, slice(k, k + 1)).items()}
        for k, name in enumerate(evaluation.skeleton.keypoints)
    }
    if evaluation.skeleton.parts:
        by_part = average_precision_by_part(results, annotations, evaluation.skeleton, category_id)
        summary["per_part"] = {
            part: {key: _plain(value) for key, value in by_part[part].items()}
            | {"OKS": _plain(masked_mean(similarity[:, columns], visibility[:, columns]))}
            | {key: _plain(v) for key, v in _keypoint_metrics(evaluation, similarity, list(columns)).items()}
            for part, columns in evaluation.skeleton.part_indices.items()
        }
    return summary


def _keypoint_metrics(
    evaluation: Evaluation, similarity: Float[Tensor, "N K"], columns: slice | list[int]
) -> dict[str, Tensor | int | None]:
    """The metrics that are means or statistics over the labelled keypoints, of some keypoints."""
    visibility = evaluation.target_visibility[:, columns]
    preds, target = evaluation.keypoints[:, columns], evaluation.target[:, columns]
    confidence, accuracy = evaluation.confidence[:, columns], similarity[:, columns]
    size = (evaluation.box_xyxy[:, 2:] - evaluation.box_xyxy[:, :2]).amax(1)
    return {
        "PCK@0.2": pck(preds, target, size, visibility, 0.2),
        "EPE": end_point_error(preds, target, visibility),
        "NLL": None if evaluation.log_prob is None else masked_mean(-evaluation.log_prob[:, columns], visibility),
        **_coverage(None if evaluation.credible_level is None else evaluation.credible_level[:, columns], visibility),
        "pearson": pearson(confidence, accuracy, visibility),
        "spearman": spearman(confidence, accuracy, visibility),
        "AUSE": ause(1 - accuracy, confidence, visibility),
        "ECE": _calibration_error(confidence, accuracy, visibility),
        "confidence": masked_mean(confidence, visibility),
        "num_keypoints": int((visibility > 0).sum()),
    }


def _coverage(levels: Float[Tensor, "N K"] | None, visibility: Visibility) -> dict[str, Tensor | int | None]:
    names = [f"coverage@{round(100 * probability)}" for probability in PROBABILITIES]
    if levels is None:
        return dict.fromkeys(names)
    return dict(zip(names, coverage(levels, visibility), strict=True))


def _calibration_error(confidence: Tensor, accuracy: Tensor, visibility: Visibility) -> Tensor | None:
    """`ece`, or None where the confidence is another tool's score, outside [0, 1]."""
    labelled = confidence[visibility > 0]
    return ece(confidence, accuracy, visibility) if within_unit(labelled) else None


def _plain(value: Tensor | float | int | None) -> float | int | None:
    """A JSON number, or None for what is no number."""
    if value is None or isinstance(value, int):
        return value
    number = value.item() if isinstance(value, torch.Tensor) else value
    return number if math.isfinite(number) else None
