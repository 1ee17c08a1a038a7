"""The numbers of ``metrics.json``."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.metrics.average_precision import evaluation_to_coco, matched_people
from poserior.metrics.base import Visibility, keypoint_distance, masked_mean
from poserior.metrics.brier import brier_score
from poserior.metrics.coco_files import Json
from poserior.metrics.correlation import pearson, spearman
from poserior.metrics.coverage import PROBABILITIES, coverage
from poserior.metrics.end_point import end_point_error
from poserior.metrics.oks import keypoint_oks
from poserior.metrics.parts import average_precision_by_part, joined_files
from poserior.metrics.pck import pck
from poserior.metrics.ranking import frame_of
from poserior.metrics.reliability import ece, within_unit
from poserior.metrics.risk_coverage import aurc
from poserior.metrics.sharpness import needed_width, region_reach, region_width
from poserior.metrics.size_groups import size_groups
from poserior.metrics.sparsification import ause
from poserior.structures import Evaluation

WRONG = 0.5
"""A keypoint of a smaller OKS than this counts as wrong: AP's most lenient demand."""


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
      ``_instance`` the people's score against theirs. No ECE for another tool's scores outside [0, 1]. ``AUSE_PCK``:
      errors of 0 and 1, by PCK@0.2.
    - ``AURC``: share of wrong keypoints (OKS below 0.5) among the accepted, averaged over all shares accepted;
      ``AURC_excess``: the same over a perfect order's.
    - ``width@90``: mean width in pixels of the ellipse that the density gives 90 % (`region_width`);
      ``needed_width@90``: what it would be if all were scaled by one factor so as to hold 90 % of the labels.
    - ``Brier_visibility, ECE_visibility``: the predicted visibility against "labelled or not", over all keypoints of
      the people who have a labelled one.
    - ``AP_constant, AP_random, AP_oracle, oracle_gap``: `ranking_frame`.
    - ``num_people`` with a labelled keypoint, ``num_keypoints`` labelled.
    - ``per_keypoint``: by the keypoint's name, the same of that keypoint alone.
    - ``per_part``, if the skeleton has parts: by the part's name, `average_precision_by_part` and the same of that
      part's keypoints.
    - ``per_size``: the same of the smallest, the middle and the largest third of the people, with the range of their
      ``size`` (root of the area, pixels); empty if all are of one size.

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
    matched = matched_people(results, annotations, sigmas, category_id)
    precision = matched.stats_of()
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
        **frame_of(matched, own=precision["AP"]),
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
    summary["per_size"] = {
        name: {"size": [low, high], "OKS": _plain(masked_mean(person_oks, members))}
        | {
            key: _plain(value)
            for key, value in _keypoint_metrics(evaluation, similarity, slice(None), people=members).items()
        }
        for name, (members, low, high) in size_groups(evaluation.area, counted).items()
    }
    return summary


def _keypoint_metrics(
    evaluation: Evaluation,
    similarity: Float[Tensor, "N K"],
    columns: slice | list[int],
    people: Bool[Tensor, "N"] | None = None,
) -> dict[str, Tensor | int | None]:
    """The metrics that are means or statistics over the labelled keypoints, of some keypoints and people."""
    rows = slice(None) if people is None else people

    def part(values: Tensor | None) -> Any:
        return None if values is None else values[rows][:, columns]

    visibility = part(evaluation.target_visibility)
    preds, target = part(evaluation.keypoints), part(evaluation.target)
    confidence, accuracy = part(evaluation.confidence), part(similarity)
    box = evaluation.box_xyxy[rows]
    size = (box[:, 2:] - box[:, :2]).amax(1)
    far = (keypoint_distance(preds, target, visibility) > 0.2 * size[:, None]).to(accuracy.dtype)
    wrong = (accuracy < WRONG).to(accuracy.dtype)
    counted = (evaluation.target_visibility[rows] > 0).any(1)
    return {
        "PCK@0.2": pck(preds, target, size, visibility, 0.2),
        "EPE": end_point_error(preds, target, visibility),
        "NLL": None if evaluation.log_prob is None else masked_mean(-part(evaluation.log_prob), visibility),
        **_coverage(part(evaluation.credible_level), visibility),
        **_widths(evaluation, part, visibility),
        "pearson": pearson(confidence, accuracy, visibility),
        "spearman": spearman(confidence, accuracy, visibility),
        "AUSE": ause(1 - accuracy, confidence, visibility),
        "AUSE_PCK": ause(far, confidence, visibility),
        "AURC": aurc(wrong, confidence, visibility),
        "AURC_excess": aurc(wrong, confidence, visibility, excess=True),
        "ECE": _calibration_error(confidence, accuracy, visibility),
        "confidence": masked_mean(confidence, visibility),
        **_visibility(part(evaluation.visibility), visibility, counted),
        "num_keypoints": int((visibility > 0).sum()),
    }


def _widths(
    evaluation: Evaluation, part: Callable[[Tensor | None], Any], visibility: Visibility
) -> dict[str, Tensor | None]:
    """How wide the 90 % ellipses are, and would have to be; None without a covariance."""
    covariance = part(evaluation.covariance)
    if covariance is None:
        return {"width@90": None, "needed_width@90": None}
    radius = part(evaluation.ellipse_radius)
    width = region_width(covariance, radius)
    if radius is None:
        radius = torch.full_like(width, math.sqrt(-2 * math.log(0.1)))
    mean = part(evaluation.keypoints if evaluation.mean is None else evaluation.mean)
    reach = region_reach(mean, part(evaluation.target), covariance, radius)
    return {
        "width@90": masked_mean(width, visibility),
        "needed_width@90": needed_width(reach, width, visibility, 0.9),
    }


def _visibility(
    preds: Float[Tensor, "N K"] | None, visibility: Visibility, counted: Bool[Tensor, "N"]
) -> dict[str, Tensor | None]:
    """How right the predicted probabilities of being labelled are; None without any."""
    if preds is None:
        return {"Brier_visibility": None, "ECE_visibility": None}
    counts = counted[:, None].expand_as(preds)
    return {
        "Brier_visibility": brier_score(preds, visibility, counts),
        "ECE_visibility": ece(preds, (visibility > 0).to(preds.dtype), counts),
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
