"""The energy density against laws that are known: f is their log density less the base's."""

import math

import pytest
import torch

from poserior.distributions import Energy
from poserior.distributions.energy import log_logistic

pytestmark = pytest.mark.usefixtures("double")


def gaussian(dim, mean, std):
    """An `Energy` that is ``N(mean, std^2 I)`` in standardised errors."""
    mean = torch.tensor(mean[:dim])

    def tilt(error, context):
        return -0.5 * ((error - mean) / std).square().sum(-1) - log_logistic(error)

    return Energy(torch.zeros(1, 1, dim), torch.ones(1, 1, dim), tilt, torch.zeros(1, 1, 1)), mean


@pytest.mark.parametrize("std", [1.0, 0.3, 0.1])
@pytest.mark.parametrize(("dim", "tolerance"), [(1, 1e-3), (2, 0.01), (3, 0.02)])
@torch.no_grad()
def test_a_gaussian_is_recovered(dim, tolerance, std):
    """Also one ten times narrower than the base: the grid closes in on it."""
    d, mean = gaussian(dim, [0.7, -0.4, 0.2], std)
    peak = -dim * math.log(std * math.sqrt(2 * math.pi))
    torch.testing.assert_close(d.log_prob(mean), torch.full((1, 1), peak), atol=tolerance, rtol=0)
    torch.testing.assert_close(d.mode[0, 0], mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(d.mean[0, 0], mean, atol=0.02 * std, rtol=0)
    torch.testing.assert_close(d.variance[0, 0], torch.full((dim,), std**2), atol=0, rtol=0.1)


def test_without_a_tilt_it_is_the_base():
    d = Energy(
        torch.full((2, 1, 2), 3.0), torch.full((2, 1, 2), -0.5), lambda e, c: 0 * e[..., 0], torch.zeros(2, 1, 1)
    )
    torch.testing.assert_close(d.log_prob(d.mode), torch.full((2, 1), math.log(1 / 16 / 0.25)), atol=5e-3, rtol=0)
    torch.testing.assert_close(d.mean, d.loc, atol=1e-6, rtol=0)
    expected = 0.25 * math.pi**2 / 3 * torch.eye(2).expand(2, 1, 2, 2)
    torch.testing.assert_close(d.covariance, expected, rtol=0.03, atol=1e-9)
    assert not d.log_prob_is_exact


def test_log_prob_is_finite_far_away():
    d = Energy(torch.zeros(1, 1, 2), torch.ones(1, 1, 2), lambda e, c: torch.tanh(e).sum(-1), torch.zeros(1, 1, 1))
    assert d.log_prob(torch.full((1, 1, 2), 1e8)).isfinite().all()


@torch.no_grad()
def test_ascent_from_a_guess_finds_the_near_peak_and_never_falls():
    """Two peaks at -2 and 3: each guess climbs its own hill; at the top the ascent stays."""

    def tilt(error, context):
        peaks = torch.stack([-2 * (error + 2).square().sum(-1), -2 * (error - 3).square().sum(-1) + 1])
        return peaks.logsumexp(0) - log_logistic(error)

    d = Energy(torch.zeros(2, 1), torch.ones(2, 1), tilt, torch.zeros(2, 1))
    start = torch.tensor([[-2.6], [2.2]])
    end = d.ascend(start)
    torch.testing.assert_close(end, torch.tensor([[-2.0], [3.0]]), atol=1e-4, rtol=0)
    assert (d.log_prob(d.ascend(start, steps=1)) >= d.log_prob(start)).all()
    assert (d.log_prob(d.ascend(end)) >= d.log_prob(end)).all()
    torch.testing.assert_close(d.mode, torch.full((2, 1), 3.0), atol=1e-4, rtol=0)


def test_log_prob_carries_gradient_after_it_was_asked_without():
    slope = torch.tensor(0.5, requires_grad=True)
    d = Energy(torch.zeros(1, 1), torch.ones(1, 1), lambda e, c: slope * torch.tanh(e[..., 0]), torch.zeros(1, 1))
    value = torch.tensor([[1.0]])
    with torch.no_grad():
        before = d.log_prob(value)
    after = d.log_prob(value)
    torch.testing.assert_close(after, before)
    after.sum().backward()
    with torch.no_grad():
        points, weights = d.nodes(4096)
        expected = math.tanh(1.0) - (weights * torch.tanh(points[..., 0])).sum()
    torch.testing.assert_close(slope.grad, expected, atol=2e-3, rtol=0)


def test_more_than_three_dimensions_are_refused():
    with pytest.raises(ValueError, match="1, 2 or 3 dimensions, found 4"):
        Energy(torch.zeros(1, 4), torch.ones(1, 4), lambda e, c: e[..., 0], torch.zeros(1, 1))
