import pytest
import torch

from poserior.distributions import Gaussian
from poserior.metrics import Coverage, coverage


def test_by_hand():
    levels = torch.tensor([[0.2, 0.5, 0.79], [0.93, 0.99, torch.nan]])
    shares = coverage(levels, torch.tensor([[2, 1, 2], [1, 2, 0]]))
    assert shares.tolist() == pytest.approx([2 / 5, 3 / 5, 3 / 5, 4 / 5])


def test_a_true_density_covers_as_it_says(double):
    law = Gaussian(torch.zeros(4000, 5, 2), torch.ones(4000, 5, 2))
    shares = coverage(law.credible_level(law.sample()), torch.ones(4000, 5, dtype=torch.int64))
    # 20,000 draws: standard error below 0.0036
    assert shares.tolist() == pytest.approx([0.5, 0.8, 0.9, 0.95], abs=0.012)


def test_half_as_wide_a_density_covers_too_little(double):
    law, truth = Gaussian(torch.zeros(4000, 5, 2), torch.ones(4000, 5, 2)), torch.randn(4000, 5, 2) * 2
    # an error of twice the standard deviation: P(r^2 / 4 <= q / 4) with exp(-q / 2) = 0.1
    share = coverage(law.credible_level(truth), torch.ones(4000, 5, dtype=torch.int64), (0.9,))
    assert share.item() == pytest.approx(1 - 0.1**0.25, abs=0.014)


def test_nothing_labelled_is_no_number():
    assert coverage(torch.tensor([0.5]), torch.tensor([0])).isnan().all()


def test_percent_are_refused():
    with pytest.raises(ValueError, match=r"expected probabilities in \[0, 1\], found \(50\.0,\)"):
        coverage(torch.tensor([0.5]), torch.tensor([1]), (50.0,))


def test_class_gives_the_function_over_batches():
    metric = Coverage((0.5, 0.9))
    metric.update(torch.tensor([[0.2, 0.6]]), torch.tensor([[1, 1]]))
    metric.update(torch.tensor([[0.95, 0.1], [0.7, 0.8]]), torch.tensor([[1, 0], [2, 1]]))
    assert metric.compute().tolist() == pytest.approx([1 / 5, 4 / 5])
