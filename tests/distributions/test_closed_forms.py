"""Gaussian and Laplace against scipy, in one, two and three dimensions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from poserior.distributions import Gaussian, GaussianKernel, Laplace

pytestmark = pytest.mark.usefixtures("double")
LAWS = {Gaussian: stats.norm, Laplace: stats.laplace}


@pytest.fixture(params=LAWS, ids=lambda law: law.__name__)
def law(request):
    return request.param


def random_law(law, *shape):
    return law(torch.randn(*shape), 0.1 + torch.rand(*shape))


def test_log_prob_and_moments(law):
    d = random_law(law, 4, 3, 2)
    y = torch.randn(5, 4, 3, 2)
    reference = LAWS[law](d.loc.numpy(), d.scale.numpy())
    np.testing.assert_allclose(d.log_prob(y), reference.logpdf(y.numpy()).sum(-1))
    np.testing.assert_allclose(d.mean, reference.mean())
    np.testing.assert_allclose(d.variance, reference.var())
    assert (d.covariance[..., 0, 1] == 0).all()
    torch.testing.assert_close(d.mode, d.loc)


@pytest.mark.parametrize("center", [-30.0, -2.0, 0.0, 0.3, 5.0, 60.0])
@pytest.mark.parametrize("width", [0.02, 0.7, 4.0, 50.0])
def test_kernel_expectation_is_the_integral(law, center, width):
    scale = 1.3
    d = law(torch.zeros(1, 1), torch.full((1, 1), scale))
    kernel = GaussianKernel(torch.tensor([[center]]), torch.tensor([[width]]))

    def integrand(y):
        return LAWS[law].pdf(y, 0, scale) * np.exp(-((y - center) ** 2) / (2 * width**2))

    marks = sorted({0.0, center, center - 6 * width, center + 6 * width, -40.0, 40.0})
    pieces = [integrate.quad(integrand, a, b, epsabs=1e-14, limit=200)[0] for a, b in pairwise(marks)]
    np.testing.assert_allclose(d.expectation(kernel).item(), sum(pieces), rtol=1e-7, atol=1e-12)


def test_kernel_expectation_has_finite_gradients_everywhere(law):
    for dtype in (torch.float32, torch.float64):
        center = torch.tensor([-1e4, -30.0, 0.0, 30.0, 1e4], dtype=dtype)[:, None].requires_grad_()
        for width in (1e-3, 1.0, 1e3):
            d = law(torch.zeros(5, 1, dtype=dtype), torch.ones(5, 1, dtype=dtype))
            value = d.expectation(GaussianKernel(center, torch.full((5, 1), width, dtype=dtype)))
            (gradient,) = torch.autograd.grad(value.sum(), center)
            assert value.isfinite().all()
            assert gradient.isfinite().all()
            assert ((value >= 0) & (value <= 1)).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_credible_level_is_the_mass_of_denser_points(law, dim):
    d = random_law(law, 2, 3, dim)
    y = d.mode + d.scale * torch.randn(2, 3, dim)
    draws = d.sample((40000,))
    expected = (d.log_prob(draws) > d.log_prob(y)).double().mean(0)
    torch.testing.assert_close(d.credible_level(y), expected, atol=0.012, rtol=0)


def test_credible_level_by_hand():
    level = Gaussian(torch.zeros(1, 2), torch.ones(1, 2)).credible_level(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(level, torch.tensor([1 - np.exp(-12.5)]))  # chi-square, 2 degrees: 1 - exp(-r^2/2)
    level = Laplace(torch.zeros(1, 2), torch.ones(1, 2)).credible_level(torch.tensor([[-1.0, 2.0]]))
    torch.testing.assert_close(level, torch.tensor([1 - 4 * np.exp(-3.0)]))  # Gamma(2, 1): 1 - (1 + s) exp(-s)


def test_nodes_have_the_moments(law):
    d = random_law(law, 3, 2)
    points, weights = d.nodes(1024)
    mean = (weights[..., None] * points).sum(0)
    variance = (weights[..., None] * (points - mean).square()).sum(0)
    torch.testing.assert_close(mean, d.mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(variance, d.variance, rtol=0.03, atol=0)
