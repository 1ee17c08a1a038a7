import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from scipy import stats

from poserior.distributions import Gaussian, Laplace
from poserior.metrics import NegativeLogLikelihood, keypoint_nll, nll


@pytest.fixture
def batch(double):
    loc, scale, target = torch.randn(4, 3, 2), torch.rand(4, 3, 2) + 0.2, torch.randn(4, 3, 2)
    return loc, scale, target, torch.tensor([[2, 1, 0], [0, 2, 2], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize(("law", "reference"), [(Gaussian, stats.norm), (Laplace, stats.laplace)])
def test_equals_scipy_per_labelled_keypoint(batch, law, reference):
    loc, scale, target, visibility = batch
    density = reference(loc.numpy(), scale.numpy()).logpdf(target.numpy()).sum(-1)
    expected = -density[(visibility > 0).numpy()].mean()
    assert nll(law(loc, scale), target, visibility).item() == pytest.approx(expected, abs=1e-13)


def test_a_standard_gaussian_at_its_mode_by_hand():
    law = Gaussian(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    assert nll(law, torch.zeros(1, 1, 2), torch.tensor([[1]])).item() == pytest.approx(math.log(2 * math.pi))


def test_unlabelled_junk_reaches_neither_value_nor_gradient(batch):
    loc, scale, target, visibility = batch
    expected = nll(Gaussian(loc, scale), target, visibility)
    target[visibility == 0] = torch.nan
    loc.requires_grad_()
    scale.requires_grad_()
    value = nll(Gaussian(loc, scale), target, visibility)
    value.backward()
    assert value.item() == expected.item()
    for gradient in (loc.grad, scale.grad):
        assert (gradient[visibility == 0] == 0).all()
        assert (gradient[visibility > 0] != 0).all()
        assert gradient.isfinite().all()


def test_per_keypoint_is_no_number_where_not_labelled(batch):
    loc, scale, target, visibility = batch
    each = keypoint_nll(Gaussian(loc, scale), target, visibility)
    assert np.array_equal(each.isnan().numpy(), (visibility == 0).numpy())


def test_class_gives_the_function_over_batches(batch):
    loc, scale, target, visibility = batch
    metric = NegativeLogLikelihood()
    for part in (slice(0, 1), slice(1, 4)):
        metric.update(Gaussian(loc[part], scale[part]), target[part], visibility[part])
    expected = nll(Gaussian(loc, scale), target, visibility).item()
    assert metric.compute().item() == pytest.approx(expected, abs=1e-15)


def test_errors_teach(batch):
    loc, scale, _, visibility = batch
    with pytest.raises(ValueError, match=r"expected target of shape \(4, 3, 2\) \(as the density\), found \(4, 3, 3\)"):
        unwrap(keypoint_nll)(Gaussian(loc, scale), torch.zeros(4, 3, 3), visibility)
