import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from poserior.metrics import Correlation, pearson, spearman

VALUES = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_equals_scipy_with_ties(pairs):
    x, y = torch.tensor(pairs, dtype=torch.float64).T
    if len(set(x.tolist())) < 2 or len(set(y.tolist())) < 2:
        assert pearson(x, y).isnan()
        assert spearman(x, y).isnan()
        return
    assert pearson(x, y).item() == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert spearman(x, y).item() == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_equals_scipy_on_tiny_differences_of_large_numbers():
    x = torch.tensor([1e6, 1e6 + 1e-3, 1e6 + 3e-3], dtype=torch.float64)
    y = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert pearson(x, y).item() == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-6)


def test_unlabelled_values_do_not_count():
    x = torch.tensor([[0.1, 0.5, torch.nan], [0.9, 0.4, 3.0]])
    y = torch.tensor([[0.2, 0.4, 1.0], [0.7, 0.9, torch.nan]])
    mask = torch.tensor([[2, 1, 0], [1, 2, 0]])
    expected = stats.spearmanr(x[:, :2].flatten(), y[:, :2].flatten()).statistic
    assert spearman(x, y, mask).item() == pytest.approx(expected, abs=1e-6)
    assert pearson(x, y, mask).item() == pytest.approx(
        np.corrcoef(x[:, :2].flatten(), y[:, :2].flatten())[0, 1], abs=1e-6
    )


@pytest.mark.parametrize("measure", [pearson, spearman])
def test_constant_or_too_few_is_no_number_and_no_warning(measure):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure(torch.full((4,), 0.3), torch.rand(4)).isnan()
        assert measure(torch.rand(1), torch.rand(1)).isnan()
        assert measure(torch.rand(0), torch.rand(0)).isnan()


@pytest.mark.parametrize(("ranks", "function"), [(False, pearson), (True, spearman)])
def test_class_gives_the_function_over_batches(ranks, function):
    x, y = torch.rand(11, dtype=torch.float64), torch.rand(11, dtype=torch.float64)
    metric = Correlation(ranks=ranks)
    metric.update(x[:4], y[:4])
    metric.update(x[4:], y[4:], torch.tensor([1, 1, 0, 1, 2, 1, 1]))
    keep = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert metric.compute().item() == pytest.approx(function(x[keep], y[keep]).item(), abs=1e-15)


def test_errors_teach():
    with pytest.raises(ValueError, match=r"expected target of shape \(3,\) \(as preds\), found \(2,\)"):
        pearson(torch.rand(3), torch.rand(2))
    with pytest.raises(ValueError, match=r"expected visibility of shape \(3,\)"):
        pearson(torch.rand(3), torch.rand(3), torch.ones(4, dtype=torch.int64))
