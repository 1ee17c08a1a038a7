"""The pictures of what a confidence, a region and a visibility are worth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from poserior.metrics import summarise
from poserior.report.groups import (
    by_keypoint_panel,
    by_size_panel,
    keypoint_parts,
    reliability_by_size,
    size_parts,
)
from poserior.report.method import Method
from poserior.report.ranking import ranking_panel
from poserior.report.risk_coverage import risk_panel
from poserior.report.sharpness import FACTORS, width_curve, width_panel
from poserior.report.visibility import visibility_panel


@pytest.fixture(scope="module")
def methods(generated):
    sizes = torch.linspace(30, 90, len(generated.evaluations[0].image_id)).square()
    people = [replace(e, area=sizes) for e in generated.evaluations]
    return [Method(i, e, summarise(e)) for i, e in enumerate(people)]


def test_panels_follow_light_and_dark_and_hold_every_method(methods):
    for draw in (
        *(risk_panel, width_panel, visibility_panel, ranking_panel),
        *(reliability_by_size, by_size_panel, by_keypoint_panel),
    ):
        svg = draw(methods)
        assert "var(--series-1)" in svg, draw.__name__
        assert "var(--series-2)" in svg, draw.__name__
        assert "#0102" not in svg, draw.__name__


def test_the_width_curve_passes_through_the_predicted_regions(methods):
    width, held = width_curve(methods[0])
    own = int(np.argmin(np.abs(FACTORS - 1)))
    assert FACTORS[own] == 1
    assert width[own] == pytest.approx(methods[0].metrics["width@90"], rel=1e-5)
    assert held[own] == pytest.approx(methods[0].metrics["coverage@90"])  # a Gaussian's regions are its ellipses
    sharper, blunter = (method.metrics["needed_width@90"] for method in methods)
    assert sharper != blunter


def test_groups_are_those_of_the_metrics(methods):
    for part, values in zip(size_parts(methods[0]), methods[0].metrics["per_size"].values(), strict=True):
        assert part.confidence.size == values["num_keypoints"]
        assert part.ece == pytest.approx(values["ECE"], abs=1e-5)
        assert part.ause == pytest.approx(values["AUSE"], abs=1e-5)
    elbow = keypoint_parts(methods[0])[7]
    assert elbow.title == "left elbow"
    assert elbow.ece == pytest.approx(methods[0].metrics["per_keypoint"]["left_elbow"]["ECE"], abs=1e-5)


def test_the_bars_are_the_four_numbers(methods):
    svg = ranking_panel(methods)
    for key in ("AP_constant", "AP_random", "AP", "AP_oracle"):
        assert f">{methods[0].metrics[key]:.3f}</text>" in svg


def test_what_cannot_be_drawn_is_left_out(generated):
    e = generated.evaluations[0]
    bare = Method(0, replace(e, covariance=None, visibility=None, confidence=e.confidence + 5), {"AP": 0.5})
    for draw in (risk_panel, width_panel, visibility_panel, ranking_panel, by_size_panel, by_keypoint_panel):
        assert draw([bare]) is None
    assert reliability_by_size([Method(0, e, {})]) is None  # everybody is of one size
