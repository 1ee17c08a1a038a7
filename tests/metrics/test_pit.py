import pytest
import torch
from scipy import stats

from poserior.distributions import Gaussian
from poserior.metrics import pit


def test_counts_by_hand():
    levels = torch.tensor([[0.0, 0.25, 0.26], [1.0, 0.8, torch.nan]])
    histogram = pit(levels, torch.tensor([[2, 1, 2], [1, 2, 0]]), bins=4)
    assert histogram.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert histogram.count.tolist() == [2, 1, 0, 2]  # 0.25 belongs to the region of 25 %
    assert histogram.share.tolist() == pytest.approx([0.4, 0.2, 0, 0.4])


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_the_distance_is_that_of_kolmogorov_and_smirnov(power):
    levels = torch.rand(30, 7) ** power
    reference = stats.kstest(levels.flatten().double().numpy(), "uniform").statistic
    assert pit(levels).distance.item() == pytest.approx(reference, abs=1e-12)


def test_true_densities_are_flat_and_narrow_ones_are_not(double):
    truth = Gaussian(torch.zeros(800, 5, 2), torch.ones(800, 5, 2))
    labels, seen = truth.sample(), torch.ones(800, 5, dtype=torch.int64)
    assert pit(truth.credible_level(labels), seen).distance < 1.36 / 4000**0.5
    narrow = Gaussian(torch.zeros(800, 5, 2), torch.full((800, 5, 2), 0.5))
    # Under half the spread a level is 1 - (1 - u)^4: farthest from u where 4 (1 - u)^3 = 1, by 0.6300 - 0.1575.
    assert pit(narrow.credible_level(labels), seen).distance.item() == pytest.approx(0.4725, abs=0.03)


def test_nothing_labelled_has_no_distance():
    histogram = pit(torch.rand(3), torch.zeros(3, dtype=torch.int64), bins=5)
    assert histogram.count.tolist() == [0] * 5
    assert histogram.distance.isnan()
    assert histogram.share.isnan().all()


def test_what_is_no_level_is_refused():
    with pytest.raises(ValueError, match=r"levels in \[0, 1\], found -0\.5 to 0\.5"):
        pit(torch.tensor([0.5, -0.5]))
    with pytest.raises(ValueError, match="at least one bin, found 0"):
        pit(torch.tensor([0.5]), bins=0)
