import math

import pytest
import torch

from poserior.calibration import anchored, sigmas_from_repeats, sigmas_from_residuals
from poserior.errors import InputError

TRUE = torch.tensor([0.025, 0.06, 0.1])


def annotators(people=2000, outliers=0.0):
    """Two annotators whose errors have the variance sigma^2 area, both axes together."""
    area = torch.rand(people) * 9000 + 1000
    truth = torch.rand(people, 3, 2) * 500
    along_one_axis = TRUE[None, :, None] * area.sqrt()[:, None, None] / math.sqrt(2)
    first, second = (truth + along_one_axis * torch.randn(people, 3, 2) for _ in range(2))
    wrong = torch.rand(people, 3) < outliers
    return truth, first, torch.where(wrong[..., None], second + 200, second), area, torch.rand(people, 3) < 0.8


def test_worked_by_hand():
    # |a - b| is 3, 4 in every person: 25 / (2 * 1000) = 0.0125
    first = torch.zeros(30, 1, 2)
    second = first + torch.tensor([3.0, 4.0])
    area, everybody = torch.full((30,), 1000.0), torch.ones(30, 1, dtype=torch.bool)
    estimate = sigmas_from_repeats(first, second, area, everybody)
    assert estimate.sigma.tolist() == estimate.low.tolist() == estimate.high.tolist()
    assert estimate.sigma.item() == pytest.approx(math.sqrt(0.0125))
    assert estimate.count.tolist() == [30]
    residual = sigmas_from_residuals(first, second, area, everybody, average="mean")
    assert residual.sigma.item() == pytest.approx(math.sqrt(0.025))
    median = sigmas_from_residuals(first, second, area, everybody)
    assert median.sigma.item() == pytest.approx(math.sqrt(0.025 / math.log(2)))


@pytest.mark.parametrize("average", ["mean", "median"])
def test_two_annotators_of_known_sigma(average):
    _, first, second, area, labelled = annotators()
    estimate = sigmas_from_repeats(first, second, area, labelled, average=average)
    assert estimate.sigma.tolist() == pytest.approx(TRUE.tolist(), rel=0.05)
    assert bool(((estimate.low < TRUE) & (estimate.high > TRUE)).all())
    # the interval is as wide as theory says: a squared error is exponential, its mean's relative spread 1 / sqrt(n)
    if average == "mean":
        expected = 2 * 1.96 * 0.5 / labelled.sum(0).sqrt()
        assert ((estimate.high - estimate.low) / estimate.sigma).tolist() == pytest.approx(expected.tolist(), rel=0.2)
    assert estimate.count.tolist() == labelled.sum(0).tolist()


def test_ninety_five_intervals_of_a_hundred_hold_the_truth():
    held = 0
    for seed in range(40):
        torch.manual_seed(seed)
        _, first, second, area, labelled = annotators(people=200)
        estimate = sigmas_from_repeats(first, second, area, labelled, seed=seed)
        held += int(((estimate.low < TRUE) & (estimate.high > TRUE)).sum())
    assert 104 <= held <= 120  # of 120; 114 expected, 104 is the 0.01 % point of a binomial


def test_the_median_forgives_outliers():
    _, first, second, area, labelled = annotators(outliers=0.03)
    assert (sigmas_from_repeats(first, second, area, labelled).sigma > 2 * TRUE)[0]
    robust = sigmas_from_repeats(first, second, area, labelled, average="median")
    assert robust.sigma.tolist() == pytest.approx(TRUE.tolist(), rel=0.08)


def test_a_models_errors_are_an_upper_bound_until_anchored():
    truth, first, _, area, labelled = annotators()
    preds = truth + 1.5 * (first - truth).flip(0) * (area / area.flip(0)).sqrt()[:, None, None]
    bound = sigmas_from_residuals(preds, first, area, labelled)
    assert bound.sigma.tolist() == pytest.approx((TRUE * math.sqrt(1 + 1.5**2)).tolist(), rel=0.06)
    estimate, factor = anchored(bound, ("eye", "wrist", "hip"), {"eye": 0.025, "tail": 1.0})
    assert estimate.sigma[0].item() == pytest.approx(0.025)
    assert factor == pytest.approx(1 / math.sqrt(1 + 1.5**2), rel=0.06)
    assert estimate.sigma.tolist() == pytest.approx(TRUE.tolist(), rel=0.08)
    assert estimate.high.tolist() == pytest.approx((bound.high * factor).tolist())
    both, _ = anchored(bound, ("eye", "wrist", "hip"), {"eye": 0.05, "hip": 0.2})
    product = both.sigma[0] * both.sigma[2]
    assert product.item() == pytest.approx(0.01)  # the geometric mean is met
    with pytest.raises(InputError, match=r"expected an anchor among the keypoints .* found none of tail"):
        anchored(bound, ("eye", "wrist", "hip"), {"tail": 1.0})


def test_too_few_and_none_at_all():
    _, first, second, area, labelled = annotators(people=60)
    labelled[:, 1] = torch.arange(60) < 29
    estimate = sigmas_from_repeats(first, second, area, labelled | (torch.arange(3) != 1))
    assert estimate.sigma.isnan().tolist() == [False, True, False]
    assert estimate.count.tolist() == [60, 29, 60]
    few = torch.arange(60)[:, None].expand(60, 3) < 7
    with pytest.raises(InputError, match="labelled twice in at least 30 people, found at most 7"):
        sigmas_from_repeats(first, second, area, few)
    with pytest.raises(InputError, match="results for at least 30 labelled people, found at most 7"):
        sigmas_from_residuals(first, second, area, few)


def test_the_same_points_twice_say_nothing():
    _, first, second, area, labelled = annotators(people=60)
    with pytest.raises(InputError, match="expected annotations by two people, found a keypoint with no difference"):
        sigmas_from_repeats(first, first, area, labelled)
    with pytest.raises(InputError, match="near the annotated people, found none"):
        sigmas_from_residuals(first, second + 300, area, labelled)
    second[:, 1] = 0.0  # a model that does not answer this keypoint
    assert sigmas_from_residuals(first, second, area, labelled).sigma.isnan().tolist() == [False, True, False]
