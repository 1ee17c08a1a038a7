"""AP against pictures per second: one network, several ways of predicting, measured in turn."""

import re
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from poserior.analyses import Timing
from poserior.dense.component_results import Json, annotation_file, average_precision, results_of
from poserior.dense.model import DenseModel
from poserior.dense.predictor import DensePredictor
from poserior.dense.spec import DenseSpec
from poserior.dense.truth import annotations_of
from poserior.errors import InputError
from poserior.scenes import Detection
from poserior.transforms.scene_items import Scenes

SCALES = {"": (1.0,), "S3": (0.75, 1.0, 1.25), "S5": (0.5, 0.75, 1.0, 1.25, 1.5)}


def read_setting(text: str) -> dict[str, Any]:
    """A way of predicting as `DensePredictor`'s options.

    It is the canvas's longer side in pixels, or ``o`` for pictures at their own size; then ``S3`` or ``S5`` for three
    or five scales (0.75 to 1.25, 0.5 to 1.5), then ``f`` for the flip test.

    Raises:
        InputError: it is none.

    >>> read_setting("512S3f")
    {'side': 512, 'scales': (0.75, 1.0, 1.25), 'flip_test': True}
    """
    found = re.fullmatch(r"(\d{1,5}|o)(S[35])?(f)?", text)
    if found is None or found[1].strip("0") == "":
        raise InputError(
            f"expected a setting such as 512, 512f, 512S3, 768S5f or o (a side in pixels or the picture's own, scales,"
            f" flip test), found {text!r}; correct it"
        )
    side = None if found[1] == "o" else int(found[1])
    return {"side": side, "scales": SCALES[found[2] or ""], "flip_test": found[3] is not None}


def canvas_of(side: int | None, spec: DenseSpec, divisor: int) -> tuple[int, int] | str:
    """The canvas of the training's shape whose longer side is about so many pixels; ``"original"`` for None."""
    if side is None:
        return "original"
    height, width = (max(round(s * side / max(spec.image_size) / divisor), 1) * divisor for s in spec.image_size)
    return height, width


def time_settings(
    runs: Mapping[str, tuple[DenseModel, DenseSpec]],
    settings: Sequence[str],
    dataset: Scenes,
    device: torch.device | str | None = None,
    count: int = 100,
    progress: bool = True,
) -> dict[str, tuple[Timing, ...]]:
    """Predict every picture in every way with every run, in turn; medians of the seconds, and AP.

    Pictures come one at a time and are decoded already; the clock runs from there to the answers on the CPU. Every
    way has seen the first picture once before it is measured.

    Args:
        runs: name to network and description.
        settings: see `read_setting`.
        dataset: whole pictures of their categories and skeleton.
        device: where to run; by default a GPU if there is one.
        count: objects per picture.
        progress: show a bar.

    Raises:
        InputError: a setting is none.
    """
    ways = {text: read_setting(text) for text in settings}
    predictors = {
        (name, text): DensePredictor(
            model,
            spec,
            flip_test=way["flip_test"],
            scales=way["scales"],
            score="centre",
            count=count,
            threshold=0,
            image_size=canvas_of(way["side"], spec, model.backbone.size_divisor),
            batch_size=1,
            device=device,
        )
        for name, (model, spec) in runs.items()
        for text, way in ways.items()
    }
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in predictors}
    results: dict[tuple[str, str], list[Json]] = {key: [] for key in predictors}
    entries: list[Json] = []
    for number in tqdm(range(len(dataset)), "speed", disable=not progress):
        scene = dataset[number]
        entries += annotations_of(scene, number, range(1, len(scene.categories) + 1))
        image = scene.image.numpy()
        for key, predictor in predictors.items():
            if number == 0:
                predictor([image])
            begin = time.perf_counter()
            (answers,) = predictor([image])
            seconds[key].append(time.perf_counter() - begin)
            results[key] += _results(number, answers)
    found: dict[str, tuple[Timing, ...]] = {}
    for name, (_, spec) in runs.items():
        annotations = annotation_file(len(dataset), entries, spec.categories)
        found[name] = tuple(
            Timing(
                text,
                statistics.median(seconds[name, text]),
                average_precision(results[name, text], annotations, spec.skeleton)["AP"],
            )
            for text in ways
        )
    return found


def _results(number: int, answers: Sequence[Any]) -> list[Json]:
    """One picture's predictions as COCO results."""
    if not answers:
        return []
    boxes = torch.stack([answer.box_xyxy for answer in answers])
    score = torch.tensor([float(answer.score) for answer in answers])
    if isinstance(answers[0], Detection):
        category = torch.tensor([answer.category for answer in answers])
        return results_of(number, score, category, boxes, boxes.new_zeros(len(boxes), 0, 2))
    points = torch.stack([answer.keypoints for answer in answers])
    return results_of(number, score, torch.zeros(len(boxes), dtype=torch.int64), boxes, points)
