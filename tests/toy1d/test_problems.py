import math

import numpy as np
import pytest
import scipy.stats
import torch

from poserior.toy1d import PROBLEMS

ONE, TWO = PROBLEMS
FINE = torch.linspace(-3, 5, 80_001, dtype=torch.float64)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.parametrize("x", [-2.9, -1.3, -0.001, 0.0, 0.4, 2.9])
def test_densities_integrate_to_one(problem, x):
    density = problem.log_prob(torch.full_like(FINE, x), FINE).exp()
    assert torch.trapezoid(density, FINE).item() == pytest.approx(1, abs=1e-6)


def test_problem_1_is_what_scipy_says():
    y = np.linspace(-1.5, 2.5, 41)
    for x in (-2.2, -0.3):
        truth = 0.8 * scipy.stats.norm.pdf(y, np.sin(x), 0.075) + 0.2 * scipy.stats.norm.pdf(y, -np.sin(x), 0.075)
        np.testing.assert_allclose(_density(ONE, x, y), truth, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(_density(ONE, 1.7, y), scipy.stats.lognorm.pdf(y + 1, 0.25), rtol=1e-9, atol=1e-300)


def test_problem_2_is_what_scipy_says():
    y = np.linspace(-1.5, 1.5, 41)
    for x in (-2.2, 0.0, 2.5):
        truth = scipy.stats.norm.pdf(y, np.sin(x), 0.15 / (1 + np.exp(-x)))
        np.testing.assert_allclose(_density(TWO, x, y), truth, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.parametrize("x", [-1.1, 1.1])
def test_draws_follow_the_density(problem, x):
    draws = problem.sample(torch.full((4000,), x), torch.Generator().manual_seed(3)).double()
    density = problem.log_prob(torch.full_like(FINE, x), FINE).exp()
    cumulative = torch.cumulative_trapezoid(density, FINE)
    law = np.interp(draws.numpy(), FINE[1:].numpy(), cumulative.numpy())
    assert scipy.stats.kstest(law, "uniform").pvalue > 0.01


def test_points_cover_the_axis():
    x, y = ONE.draw(5000, torch.Generator().manual_seed(1))
    assert scipy.stats.kstest(x.numpy(), scipy.stats.uniform(-3, 6).cdf).pvalue > 0.01
    assert y[x > 0].min() > -1
    assert math.isclose((y[x < 0].sign() == x[x < 0].sin().sign()).float().mean().item(), 0.78, abs_tol=0.04)


def _density(problem, x, y):
    y = torch.from_numpy(y)
    return problem.log_prob(torch.full_like(y, x), y).exp().numpy()
