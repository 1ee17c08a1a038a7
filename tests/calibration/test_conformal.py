"""Quantiles by hand, coverage over many draws, groups, weights, and what is kept on disk."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression

from poserior.calibration import (
    Conformal,
    PointConformal,
    RegionScores,
    conformal_quantile,
    labels_needed,
    region_scores,
    shift_weights,
)
from poserior.calibration.conformal_quantiles import group_edges, grouped_quantile, sorted_by_group
from poserior.distributions import FullGaussian, Gaussian
from poserior.errors import InputError


def both(levels):
    return RegionScores(levels, 10 * levels)


def everywhere(scores):
    return torch.ones(scores.shape, dtype=torch.bool)


@pytest.mark.parametrize(
    ("count", "coverage", "rank"),
    [(9, 0.9, 9), (8, 0.9, None), (10, 0.9, 10), (19, 0.9, 18), (19, 0.95, 19), (99, 0.9, 90), (3, 0.5, 2),
     (2, 0.7, None), (9, 0.7, 7), (1, 0.5, 1)],
)  # fmt: skip
def test_quantiles_of_few_labels_are_those_by_hand(count, coverage, rank):
    # ceil((n + 1) coverage)-th smallest of n; infinite if that is more than n
    scores = torch.arange(1.0, count + 1)[torch.randperm(count)]
    wanted = math.inf if rank is None else float(rank)
    assert conformal_quantile(scores, coverage).item() == wanted
    fitted = Conformal.fit(both(scores[:, None] / 100), everywhere(scores[:, None]), torch.ones(count))
    assert fitted.radii(coverage, torch.ones(2))[:, 0].tolist() == pytest.approx([wanted / 10] * 2)
    assert fitted.levels(coverage, torch.ones(1)).item() == pytest.approx(min(wanted / 100, 1))
    assert (labels_needed(coverage) <= count) == (rank is not None)


def test_equal_weights_change_nothing_and_heavy_test_points_get_everything():
    scores = torch.tensor([3.0, 1.0, 2.0, 5.0, 4.0])
    weights = torch.full((5,), 0.3)
    for coverage in (0.2, 0.5, 0.8, 0.83, 0.9):
        weighted = conformal_quantile(scores, coverage, weights, torch.tensor([0.3]))
        assert weighted.item() == conformal_quantile(scores, coverage).item()
    # By hand: in order of score the weights 2 1 1 4 0 reach 2 3 4 8 8 of 8 + test weight.
    weights = torch.tensor([1.0, 2.0, 1.0, 0.0, 4.0])
    bounds = conformal_quantile(scores, 0.5, weights, torch.tensor([0.0, 0.1, 2.0, 8.0, 8.1, math.inf]))
    assert bounds.tolist() == [3, 4, 4, 4, math.inf, math.inf]
    assert conformal_quantile(scores, 0.5, 0 * weights, torch.zeros(1)).item() == math.inf


def test_coverage_over_many_calibration_sets_is_within_the_bounds():
    """P(next score <= quantile) of continuous scores is ceil((n + 1) c) / (n + 1), in [c, c + 1 / (n + 1)]."""
    trials, draws = 20_000, torch.Generator().manual_seed(3)
    for count, coverage in ((9, 0.9), (24, 0.8), (37, 0.9)):
        scores = torch.rand(count + 1, trials, generator=draws)
        # Every column is a keypoint of its own: as many calibration sets at once.
        fitted = Conformal.fit(both(scores[:-1]), everywhere(scores[:-1]), torch.ones(count))
        for bound, following in (
            (fitted.levels(coverage, torch.ones(1))[0], scores[-1]),
            (fitted.radii(coverage, torch.ones(1))[0], 10 * scores[-1]),
        ):
            held = int((following <= bound).sum())
            low, high = coverage, coverage + 1 / (count + 1)
            error = 4 * math.sqrt(coverage * (1 - coverage) / trials)
            assert low - error <= held / trials <= high + error
            exact = math.ceil((count + 1) * coverage - 1e-9) / (count + 1)
            assert stats.binomtest(held, trials, exact).pvalue > 1e-4


def test_ties_only_add_coverage():
    trials, count = 5_000, 19
    scores = torch.randint(0, 4, (count + 1, trials)).float() / 4
    fitted = Conformal.fit(both(scores[:-1]), everywhere(scores[:-1]), torch.ones(count))
    held = (scores[-1] <= fitted.levels(0.8, torch.ones(1))[0]).float().mean().item()
    assert held > 0.8 + 0.05


def test_each_size_is_covered_although_small_people_are_harder():
    draws = torch.Generator().manual_seed(1)
    hits = {"by size": torch.zeros(3), "pooled": torch.zeros(3)}
    for _ in range(40):
        # Errors fall as people grow; the 40 keypoints are as many calibration sets.
        area, new_area = (torch.exp(3 * torch.rand(count, generator=draws)) for count in (119, 400))
        scores = torch.rand(119, 40, generator=draws) / area[:, None]
        following = torch.rand(400, 40, generator=draws) / new_area[:, None]
        by_size = Conformal.fit(both(scores), everywhere(scores), area, groups=3)
        pooled = Conformal.fit(both(scores), everywhere(scores), area)
        size = (new_area.log()[:, None] >= by_size.edges[0]).sum(-1)
        for name, fitted in (("by size", by_size), ("pooled", pooled)):
            held = following <= fitted.levels(0.9, new_area)
            hits[name] += torch.stack([held[size == g].float().mean() for g in range(3)]) / 40
    # Thirds of 119 without the two on the edges are 39, so that the 36th of them is the bound: 36 / 40.
    assert hits["by size"].tolist() == pytest.approx([0.9] * 3, abs=0.015)
    assert hits["pooled"][0] < 0.8
    assert hits["pooled"][2] > 0.99


def test_leaving_out_the_person_on_the_edge_keeps_the_promise_within_groups():
    """Two groups of nine labels: the tenth is at most their largest with probability 9 / 10, on either side."""
    trials, count = 40_000, 19
    draws = torch.Generator().manual_seed(2)
    size = torch.rand(count + 1, trials, generator=draws)
    scores = torch.rand(count + 1, trials, generator=draws) * (2 - size) ** 4
    labelled = torch.ones(count, trials, dtype=torch.bool)
    edges = group_edges(size[:-1], labelled, 2)
    ordered, counts = sorted_by_group(scores[:-1], size[:-1], labelled, edges)
    assert torch.equal(counts, torch.tensor([[19], [9], [9]]).expand(3, trials))
    assert (edges[:, 0] == size[:-1].sort(0).values[9]).all()
    held = (scores[-1:] <= grouped_quantile(ordered, counts, edges, size[-1:], 0.9))[0]
    above = size[-1] >= edges[:, 0]
    for group in (~above, above):
        assert stats.binomtest(int(held[group].sum()), int(group.sum()), 0.9).pvalue > 1e-4


def test_groups_with_too_few_labels_take_all_and_keypoints_with_too_few_take_everything():
    scores = torch.arange(1.0, 21.0)[:, None].repeat(1, 3)
    labelled = everywhere(scores)
    labelled[8:, 1] = False  # 8 labels
    labelled[:, 2] = False  # none
    area = torch.arange(1.0, 21.0)
    fitted = Conformal.fit(RegionScores(scores / 20, scores), labelled, area, groups=2)
    # Edge at the 11th of 20 people, who is left out: 10 below, 9 above.
    assert fitted.counts[:, 0].tolist() == [20, 10, 9]
    small_and_large = torch.tensor([3.0, 18.0])
    assert fitted.radii(0.9, small_and_large)[:, 0].tolist() == [10, 20]
    # 10 and 9 labels are too few for 95 %: both sizes have the quantile of all 20, the 20th.
    assert fitted.radii(0.95, small_and_large)[:, 0].tolist() == [20, 20]
    assert fitted.radii(0.95, small_and_large)[:, 1:].isinf().all()
    assert fitted.levels(0.95, small_and_large)[:, 1:].eq(1).all()
    # 8 labels in groups of 4 and 3: enough for 60 % of all, not for 80 % within groups
    assert fitted.radii(0.6, small_and_large)[:, 1].tolist() == [3, 8]
    assert fitted.radii(0.8, small_and_large)[:, 1].tolist() == [8, 8]


def test_weights_cover_under_a_known_shift_where_none_do_not():
    draws = np.random.default_rng(0)
    plain, weighted, estimated = [], [], []
    for _ in range(60):
        # Features N(0, 1) here, N(1, 1) there; errors grow with the feature. The ratio is exp(x - 1/2).
        x, there = draws.normal(size=300), draws.normal(1, 1, size=300)
        errors = np.exp(x) * draws.exponential(size=300)
        following = torch.tensor(np.exp(there) * draws.exponential(size=300))
        errors, x, there = torch.tensor(errors), torch.tensor(x), torch.tensor(there)
        plain.append((following <= conformal_quantile(errors, 0.8)).double().mean())
        bounds = conformal_quantile(errors, 0.8, (x - 0.5).exp(), (there - 0.5).exp())
        weighted.append((following <= bounds).double().mean())
        ratio = shift_weights(x[:, None], torch.tensor(draws.normal(1, 1, size=(300, 1))))
        bounds = conformal_quantile(errors, 0.8, ratio(x[:, None]), ratio(there[:, None]))
        estimated.append((following <= bounds).double().mean())
    assert np.mean(plain) < 0.68
    assert np.mean(weighted) == pytest.approx(0.8, abs=0.03)
    assert np.mean(weighted) >= 0.79
    assert np.mean(estimated) == pytest.approx(0.8, abs=0.04)


def test_weights_are_those_of_a_logistic_regression():
    draws = np.random.default_rng(5)
    here, there = draws.normal(size=(70, 3)), draws.normal(0.7, 1.3, size=(40, 3))
    weights = shift_weights(torch.tensor(here), torch.tensor(there), penalty=0.5)
    both_ = np.concatenate([here, there])
    center, spread = both_.mean(0), both_.std(0)
    reference = LogisticRegression(C=2.0, tol=1e-10, max_iter=1000).fit((both_ - center) / spread, [0] * 70 + [1] * 40)
    odds = np.exp(reference.decision_function((here - center) / spread)) * 70 / 40
    np.testing.assert_allclose(weights(torch.tensor(here)).numpy(), odds, rtol=1e-5)
    # Two sides that a line divides still have finite weights.
    apart = shift_weights(torch.zeros(20, 1), torch.ones(20, 1))(torch.tensor([[0.0], [1.0]]))
    assert 0 < apart[0] < apart[1] < math.inf


def test_both_measures_do_not_change_with_the_frame_and_are_those_by_hand(double):
    loc, factor = torch.randn(5, 3, 2), torch.randn(5, 3, 2, 2)
    covariance = factor @ factor.mT + 0.1 * torch.eye(2)
    law = FullGaussian(loc, torch.linalg.cholesky(covariance))
    label = torch.randn(5, 3, 2)
    level, radius = region_scores(law, label)
    apart = (label - loc)[..., None]
    squared = (apart.mT @ torch.linalg.inv(covariance) @ apart)[..., 0, 0]
    torch.testing.assert_close(radius, squared.sqrt())
    torch.testing.assert_close(level, torch.as_tensor(stats.chi2(2).cdf(squared.numpy())), atol=2e-3, rtol=0)
    scale, shift = torch.tensor([-40.0, 30.0]), torch.tensor([7.0, 9.0])
    moved = region_scores(law.affine(scale, shift), scale * label + shift)
    torch.testing.assert_close(moved.radius, radius)
    torch.testing.assert_close(moved.level, level)
    assert region_scores(Gaussian(loc, torch.zeros(5, 3, 2)), label).radius.isinf().all()


def test_a_wrong_density_is_corrected():
    """A Gaussian that believes half the true spread: its own 90 % region holds less, the conformal ones 90 %."""
    law = Gaussian(torch.zeros(4000, 2, 2), torch.full((4000, 2, 2), 0.5))
    labels = torch.randn(4000, 2, 2)
    scores = region_scores(law, labels)
    assert (scores.level <= 0.9).float().mean() < 0.5
    fitted = Conformal.fit(
        RegionScores(scores.level[:2000], scores.radius[:2000]), everywhere(scores.level[:2000]), torch.ones(2000)
    )
    area = torch.ones(2000)
    assert (scores.level[2000:] <= fitted.levels(0.9, area)).float().mean().item() == pytest.approx(0.9, abs=0.02)
    assert (scores.radius[2000:] <= fitted.radii(0.9, area)).float().mean().item() == pytest.approx(0.9, abs=0.02)
    # in the believed unit twice the Gaussian's own radius
    assert fitted.radii(0.9, area).mean().item() == pytest.approx(2 * math.sqrt(-2 * math.log(0.1)), rel=0.05)


def test_state_goes_into_a_fresh_module():
    scores = torch.rand(40, 3)
    fitted = Conformal.fit(both(scores), scores < 0.8, torch.rand(40) + 0.1, groups=3)
    fresh = Conformal(3, labels=fitted.levels_sorted.shape[-1], groups=3)
    assert fresh.radii(0.5, torch.ones(2)).isinf().all()
    fresh.load_state_dict(fitted.state_dict())
    area = torch.tensor([0.2, 0.5, 1.0, 7.0])
    assert torch.equal(fresh.radii(0.7, area), fitted.radii(0.7, area))
    assert fresh.radii(0.7, area).shape == (4, 3)
    assert fresh.radii(0.7, area).isfinite().all()


def test_more_people_than_are_kept_are_thinned(monkeypatch):
    monkeypatch.setattr("poserior.calibration.conformal.MOST", 50)
    scores = torch.rand(400, 2)
    fitted = Conformal.fit(both(scores), everywhere(scores), torch.ones(400))
    assert fitted.counts.tolist() == [[50, 50]]
    assert torch.isin(fitted.levels_sorted[0, 0], scores[:, 0]).all()
    assert fitted.levels(0.5, torch.ones(1))[0].tolist() == pytest.approx([0.5, 0.5], abs=0.2)


def people(count, draws, unsure=4.0):
    """Points of a tool: errors grow with the root of the area, and are four times as large where its score is low."""
    area = torch.exp(2 * torch.rand(count, generator=draws))
    scores = torch.rand(count, 3, generator=draws)
    size = area.sqrt()[:, None, None] * torch.where(scores < 0.5, unsure, 1.0)[..., None]
    target = 100 * torch.rand(count, 3, 2, generator=draws)
    return target + size * torch.randn(count, 3, 2, generator=draws), target, area, scores


def test_discs_about_anybodys_points():
    draws = torch.Generator().manual_seed(0)
    points, target, area, scores = people(1000, draws)
    visibility = torch.full((1000, 3), 2)
    new_points, new_target, new_area, new_scores = people(4000, draws)
    errors = (new_points - new_target).norm(dim=-1)
    plain = PointConformal.fit(points, target, visibility, area)
    held = errors <= plain.radii(0.9, new_area)
    assert held.float().mean().item() == pytest.approx(0.9, abs=0.02)
    assert held[new_scores < 0.5].float().mean() < 0.85
    by_score = PointConformal.fit(points, target, visibility, area, scores, groups=2)
    radii = by_score.radii(0.9, new_area, new_scores)
    for unsure in (new_scores < 0.5, new_scores >= 0.5):
        assert (errors <= radii)[unsure].float().mean().item() == pytest.approx(0.9, abs=0.025)
    share = (radii / new_area.sqrt()[:, None])[:, 0]
    # Rayleigh's 90 % quantile, times 1 and 4
    assert share.max().item() == pytest.approx(4 * math.sqrt(-2 * math.log(0.1)), rel=0.1)
    assert share.min().item() == pytest.approx(math.sqrt(-2 * math.log(0.1)), rel=0.1)
    fresh = PointConformal(3, by_score.errors_sorted.shape[-1], 2)
    fresh.load_state_dict(by_score.state_dict())
    assert torch.equal(fresh.radii(0.9, new_area, new_scores), radii)


def test_a_disc_by_hand():
    # Errors of 3, 4, 5 px at an area of 4: 1.5, 2, 2.5; 75 % of three labels is the third of them, at area 9 times 3.
    target = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]], [[2.0, 2.0]], [[3.0, 3.0]]])
    points = target + torch.tensor([[[3.0, 0.0]], [[0.0, 4.0]], [[3.0, 4.0]], [[99.0, 99.0]]])
    fitted = PointConformal.fit(points, target, torch.tensor([[2], [1], [2], [0]]), torch.full((4,), 4.0))
    assert fitted.radii(0.75, torch.tensor([9.0])).item() == pytest.approx(7.5)
    assert fitted.radii(0.5, torch.tensor([9.0])).item() == pytest.approx(6.0)
    assert fitted.radii(0.76, torch.tensor([9.0])).item() == math.inf


SCORES = torch.rand(20, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conformal_quantile(SCORES[:, 0], 1.0), "between 0 and 1, found 1"),
        (lambda: conformal_quantile(torch.tensor([1.0, math.nan]), 0.5), "found NaN"),
        (lambda: conformal_quantile(SCORES[:, 0], 0.5, SCORES[:, 0]), "found one of them"),
        (lambda: conformal_quantile(SCORES[:, 0], 0.5, -SCORES[:, 0], SCORES[:, 0]), "not negative"),
        (lambda: Conformal(2).radii(0.0, torch.ones(1)), "between 0 and 1, found 0"),
        (lambda: Conformal.fit(both(SCORES), SCORES > 0, torch.zeros(20)), "positive areas"),
        (lambda: PointConformal(2, groups=2).radii(0.5, torch.ones(1)), "expected scores"),
        (lambda: PointConformal(2).radii(0.5, torch.zeros(1)), "positive areas"),
        (lambda: shift_weights(torch.zeros(0, 1), torch.zeros(3, 1)), "found 0 and 3"),
        (lambda: shift_weights(torch.zeros(3, 1), torch.full((3, 1), math.nan)), "finite features"),
        (
            lambda: PointConformal.fit(SCORES[:, :, None], SCORES[:, :, None], SCORES > 0, torch.ones(20), None, 2),
            "expected scores for 2",
        ),
        (
            lambda: PointConformal.fit(math.nan * SCORES[..., None], SCORES[..., None], SCORES > 0, torch.ones(20)),
            "found NaN",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_scores_that_are_no_numbers_count_as_infinite():
    scores = torch.tensor([[1.0], [math.nan], [2.0]])
    ordered, counts = sorted_by_group(scores, scores, everywhere(scores), torch.zeros(1, 0))
    assert ordered[0, 0].tolist() == [1, 2, math.inf]
    assert counts.tolist() == [[3]]
