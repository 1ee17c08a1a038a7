import re

import numpy as np
import pytest
import scipy.stats
import torch

from poserior.report.coverage import coverage_curve, coverage_panels
from poserior.report.density import density_curve, density_panels, gaussian, laplace
from poserior.report.method import Method
from poserior.report.per_keypoint import keypoint_numbers
from poserior.report.reliability import people_panel, reliability_panel
from poserior.report.sparsification import curves, sparsification_panel
from poserior.report.spread import binned_root_mean_square, spread_panel
from poserior.report.svg import panel


def test_coverage_of_uniform_levels_is_the_diagonal():
    levels = (np.arange(1000) + 0.5) / 1000
    nominal = np.linspace(0, 1, 101)
    np.testing.assert_allclose(coverage_curve(levels, nominal), nominal, atol=5e-4)


def test_coverage_by_hand():
    levels = np.array([0.1, 0.2, 0.2, 0.9])
    np.testing.assert_array_equal(coverage_curve(levels, np.array([0.0, 0.2, 0.5, 1.0])), [0, 0.75, 0.75, 1])


@pytest.mark.parametrize("name", ["laplace", "norm", "t"])
def test_density_curve_integrates_to_one_and_follows_the_law(name):
    law = {
        "laplace": scipy.stats.laplace(scale=2**-0.5),
        "norm": scipy.stats.norm(),
        "t": scipy.stats.t(5, scale=0.6**0.5),
    }[name]
    draws = law.rvs(200_000, random_state=1)
    x, y = density_curve(draws)
    assert np.trapezoid(y, x) == pytest.approx(np.mean(np.abs(draws) < 8), abs=2e-3)
    away = np.abs(x) > 0.15  # a kernel rounds off the Laplace law's edge
    np.testing.assert_allclose(y[away], law.pdf(x[away]), atol=0.012)
    tail = (np.abs(x) > 2.5) & (np.abs(x) < 3.5)
    np.testing.assert_allclose(y[tail], law.pdf(x[tail]), rtol=0.25)


def test_density_curve_of_nothing_and_of_one_value():
    assert density_curve(np.empty(0))[1].max() == 0
    x, y = density_curve(np.full(10, 0.5))
    assert x[np.argmax(y)] == pytest.approx(0.5, abs=0.05)


def test_reference_laws_have_variance_one():
    x = np.linspace(-30, 30, 60_001)
    for law, reference in ((laplace, scipy.stats.laplace(scale=2**-0.5)), (gaussian, scipy.stats.norm())):
        np.testing.assert_allclose(law(x), reference.pdf(x), atol=1e-12)
        assert np.trapezoid(law(x) * x**2, x) == pytest.approx(1, abs=1e-4)


def test_sparsification_by_hand():
    removed, by_confidence, by_oracle = curves(np.array([0.5, 0.9, 0.1]), np.array([0.2, 1.0, 0.6]))
    np.testing.assert_allclose(removed, [0, 1 / 3, 2 / 3])
    np.testing.assert_allclose(by_confidence, [0.4, 0.4, 0.0], atol=1e-12)
    np.testing.assert_allclose(by_oracle, [0.4, 0.2, 0.0], atol=1e-12)


def test_sparsification_curve_stays_small():
    rng = np.random.default_rng(0)
    confidence = rng.random(5000)
    removed, by_confidence, by_oracle = curves(confidence, confidence)
    assert removed.size == 101
    assert removed[-1] == pytest.approx(0.9998)
    np.testing.assert_allclose(by_confidence, by_oracle, atol=1e-12)


def test_binned_root_mean_square_by_hand():
    expected, error = np.array([3.0, 1.0, 1.0, 4.0]), np.array([0.0, 2.0, 0.0, 5.0])
    x, y = binned_root_mean_square(expected, error, bins=2)
    np.testing.assert_allclose(x, [1.0, 12.5**0.5])
    np.testing.assert_allclose(y, [2.0**0.5, 12.5**0.5])


def test_keypoint_numbers_count_labelled_ones_only(generated):
    e = generated.evaluations[0]
    n = keypoint_numbers(Method(0, e, {}))
    mask = (e.target_visibility[:, 4] > 0).numpy()
    distance = (e.keypoints - e.target).norm(dim=-1)[:, 4].numpy()[mask]
    assert n.count[4] == mask.sum()
    assert n.error[4] == pytest.approx(distance.mean(), rel=1e-5)
    width = 2 * e.skeleton.oks_sigmas[4] * 4000**0.5
    assert n.oks[4] == pytest.approx(np.exp(-(distance**2) / (2 * width**2)).mean(), rel=1e-5)
    variance = e.covariance[:, 4, 0, 0].double().numpy()[mask]
    assert n.expected_error[4] == pytest.approx(np.sqrt(2 * variance.mean()), rel=1e-5)


def test_expected_error_counts_the_distance_from_mode_to_mean(generated):
    e = generated.evaluations[0]
    shifted = Method(0, type(e)(**{**vars(e), "mean": e.keypoints + torch.tensor([3.0, 4.0])}), {})
    trace = 2 * e.covariance[:, :, 0, 0].double().numpy()
    np.testing.assert_allclose(shifted.expected_error, np.sqrt(trace + 25), rtol=1e-5)


def polyline(svg, color):
    """The points of the longest path of that colour, in the panel's own units (y down)."""
    paths = re.findall(r'<path d="([^"]*)"[^>]*style="[^"]*stroke: ' + re.escape(color), svg)
    numbers = [np.array(re.findall(r"-?[\d.]+", path), float) for path in paths]
    return max(numbers, key=len).reshape(-1, 2)


def test_the_drawn_coverage_curve_of_a_true_density_is_straight(generated):
    svg = coverage_panels([Method(0, generated.evaluations[0], {})])[0]
    points = polyline(svg, "var(--series-1)")
    across = (points - points[0]) / (points[-1] - points[0])
    np.testing.assert_allclose(across[:, 0], across[:, 1], atol=0.05)


def test_panels_use_variables_and_no_color_of_their_own(generated):
    methods = [Method(i, e, {}) for i, e in enumerate(generated.evaluations)]
    panels = [
        *density_panels(methods[0]),
        *coverage_panels(methods),
        reliability_panel(methods),
        people_panel(methods),
        sparsification_panel(methods),
        spread_panel(methods),
    ]
    for svg in panels:
        assert not re.findall(r"#[0-9a-fA-F]{6}\b(?!\")", re.sub(r'href="[^"]*"|url\([^)]*\)', "", svg))
        assert "var(--series-1)" in svg
        assert "var(--muted)" in svg
        assert "http" not in svg


def test_log_axis_is_labelled_in_plain_numbers(generated):
    tails = density_panels(Method(0, generated.evaluations[0], {}))[1]
    assert re.findall(r">(0\.0001|0\.001|0\.01|0\.1|1)</text>", tails) == ["0.0001", "0.001", "0.01", "0.1", "1"]


def test_panel_escapes_its_description_and_its_texts():
    svg = panel(lambda axes: axes[0].set_xlabel('<b>"$x$'), "n", '"><script>')
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert "&lt;b&gt;" in svg
    assert "$x$" in svg
