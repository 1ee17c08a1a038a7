"""`write_report`: evaluations to one self-contained HTML page (no script, no request to anywhere)."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from poserior.errors import InputError
from poserior.report.cases import cases, walk
from poserior.report.coverage import coverage_panels
from poserior.report.density import density_panels
from poserior.report.gallery import STOPS, tile
from poserior.report.groups import by_keypoint_panel, by_size_panel, reliability_by_size
from poserior.report.headline import headline
from poserior.report.method import Method
from poserior.report.per_keypoint import keypoint_numbers, keypoint_panels, readable
from poserior.report.ranking import ranking_panel
from poserior.report.reliability import people_panel, reliability_panel
from poserior.report.risk_coverage import risk_panel
from poserior.report.sharpness import width_panel
from poserior.report.sparsification import sparsification_panel
from poserior.report.spread import spread_panel
from poserior.report.svg import GLYPHS, NUM_SERIES
from poserior.report.tables import METRICS, MISSING, comparison, highlights
from poserior.report.visibility import visibility_panel
from poserior.structures import Evaluation

GALLERY = 8
"""People in the gallery."""
PER_CASE = 4
"""People in each group of cases."""


def write_report(
    evaluations: Sequence[Evaluation],
    metrics: Mapping[str, Mapping[str, Any]],
    pictures: Callable[[int], np.ndarray] | None,
    output: Path,
    title: str,
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write one HTML file that shows how good the predictions are and whether their densities are true.

    Args:
        evaluations: one of each method, all of the same people in the same order; the first is the one in focus.
            Fields that are None leave out the sections that need them, with a line that says so.
        metrics: method name to ``metrics.json``'s content; absent and None values are shown as a dash.
        pictures: from a person's number to the whole original picture, ``(H, W, 3)`` uint8 RGB; None without any.
        output: the file to write; its folder is made. It appears complete or not at all.
        title: the page's.
        facts: what a reader needs to repeat it: data, seeds, hardware, command, time.

    Returns:
        `output`.

    Raises:
        InputError: there are no evaluations or people, or the evaluations are of different people.
    """
    _check(evaluations)
    methods = [Method(i, e, metrics.get(e.name, {})) for i, e in enumerate(evaluations)]
    text = _page(methods, pictures, title, facts or {})
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return output


def _check(evaluations: Sequence[Evaluation]) -> None:
    if not evaluations or not evaluations[0].image_id:
        raise InputError("expected at least one evaluation of at least one person, found none; evaluate first")
    first = evaluations[0]
    for other in evaluations[1:]:
        same = (other.image_id, other.annotation_id) == (first.image_id, first.annotation_id)
        if not same or other.skeleton != first.skeleton:
            raise InputError(
                f"expected {other.name!r} and {first.name!r} to be evaluated on the same people and skeleton,"
                f" found {len(other.image_id)} and {len(first.image_id)} people that differ;"
                " evaluate both on one data set"
            )


def page_environment() -> jinja2.Environment:
    """The templates, with everything escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("poserior.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["px"] = lambda value: f"{value:.2f}".rstrip("0").rstrip(".")
    return environment


def _page(
    methods: Sequence[Method], pictures: Callable[[int], np.ndarray] | None, title: str, facts: Mapping[str, str]
) -> str:
    focus = methods[0]
    context: dict[str, Any] = {
        "title": title,
        "facts": facts,
        "methods": methods,
        "num_series": NUM_SERIES,
        "glyphs": GLYPHS,
        "people": len(focus.evaluation.image_id),
        "labels": int(focus.labelled.sum()),
        "skeleton": focus.evaluation.skeleton,
        "headline": headline(methods),
        "highlights": highlights(methods),
        "comparison": comparison(methods),
        "has_ellipses": focus.evaluation.covariance is not None and focus.evaluation.ellipse_radius is not None,
        "confidence_stops": [(place, "#{:02x}{:02x}{:02x}".format(*color)) for place, color in STOPS],
        "gallery": [] if pictures is None else [tile(methods, n, pictures) for n in walk(focus, GALLERY)],
        "cases": []
        if pictures is None
        else [(case, [tile(methods, n, pictures) for n in case.people]) for case in cases(focus, PER_CASE)],
        "density": density_panels(focus),
        "has_errors": focus.evaluation.errors is not None,
        "has_label_draws": focus.evaluation.label_draws is not None,
        "coverage": coverage_panels(methods),
        "with_confidence": [method for method in methods if method.pairs is not None],
        "with_levels": [method for method in methods if method.levels is not None],
        "reliability": reliability_panel(methods),
        "people_panel": people_panel(methods),
        "sparsification": sparsification_panel(methods),
        "spread": spread_panel(methods),
        "width": width_panel(methods),
        "risk": risk_panel(methods),
        "ranking": ranking_panel(methods),
        "visibility": visibility_panel(methods),
        "reliability_by_size": reliability_by_size(methods),
        "by_size": by_size_panel(methods),
        "by_keypoint": by_keypoint_panel(methods),
        "eces": [_written(method, "ECE") for method in methods],
        "auses": [_written(method, "AUSE") for method in methods],
        "aurcs": [_written(method, "AURC") for method in methods],
        "gaps": [_written(method, "oracle_gap") for method in methods],
        "briers": [_written(method, "Brier_visibility") for method in methods],
        "needed": [_written(method, "needed_width@90") for method in methods],
        "keypoint_panels": keypoint_panels(methods) if focus.labelled.any() else [],
        "keypoint_rows": _keypoint_rows(methods),
    }
    return page_environment().get_template("report.html.j2").render(context)


def _written(method: Method, key: str) -> str:
    text = METRICS[key].write(method.metrics.get(key))
    return "" if text == MISSING else text


def _keypoint_rows(methods: Sequence[Method]) -> list[tuple[str, int, list[tuple[str, str, str, str]]]]:
    """Name, count, and of each method OKS, confidence, error, expected error, as text."""
    numbers = [keypoint_numbers(method) for method in methods]

    def write(values: np.ndarray | None, k: int, digits: int) -> str:
        return MISSING if values is None or not np.isfinite(values[k]) else f"{values[k]:.{digits}f}"

    return [
        (
            readable(name),
            int(numbers[0].count[k]),
            [
                (write(n.oks, k, 3), write(n.confidence, k, 3), write(n.error, k, 1), write(n.expected_error, k, 1))
                for n in numbers
            ],
        )
        for k, name in enumerate(methods[0].evaluation.skeleton.keypoints)
    ]
