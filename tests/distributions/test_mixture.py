"""Mixtures against hand-worked numbers."""

import math

import pytest
import torch

from poserior.distributions import Gaussian, GaussianKernel, Laplace, Mixture

pytestmark = pytest.mark.usefixtures("double")


def pair(gap, weights=None):
    at = torch.tensor([[[gap / 2, 0.0]]])
    return Mixture([Gaussian(-at, torch.ones(1, 1, 2)), Gaussian(at, torch.ones(1, 1, 2))], weights)


def test_density_and_moments_by_hand():
    d = pair(4.0, torch.tensor([0.25, 0.75]))
    y = torch.tensor([[[2.0, 0.0]]])
    expected = (0.25 * math.exp(-8) + 0.75) / (2 * math.pi)
    torch.testing.assert_close(d.log_prob(y).exp(), torch.tensor([[expected]]))
    torch.testing.assert_close(d.mean, torch.tensor([[[1.0, 0.0]]]))  # -2/4 + 2*3/4
    torch.testing.assert_close(d.covariance, torch.tensor([[[[4.0, 0.0], [0.0, 1.0]]]]))  # 1 + (9 + 3)/4 = 4


@pytest.mark.parametrize(("gap", "at"), [(0.0, 0.0), (1.0, 0.0), (1.9, 0.0)])
def test_mode_of_two_close_components_lies_between(gap, at):
    """Two unit Gaussians less than two standard deviations apart have one peak, in the middle."""
    torch.testing.assert_close(pair(gap).mode, torch.tensor([[[at, 0.0]]]), atol=2e-2, rtol=0)


def test_mode_of_two_far_components_is_the_heavier_one():
    mode = pair(8.0, torch.tensor([0.4, 0.6])).mode
    torch.testing.assert_close(mode, torch.tensor([[[4.0, 0.0]]]), atol=1e-3, rtol=0)


def test_mode_is_a_maximum_of_unequal_laws():
    d = Mixture(
        [
            Gaussian(torch.randn(4, 3, 2), 0.3 + torch.rand(4, 3, 2)),
            Laplace(torch.randn(4, 3, 2), 0.3 + torch.rand(4, 3, 2)),
        ]
    )
    near = d.mode + 0.3 * torch.randn(4000, 4, 3, 2)
    assert (d.log_prob(d.mode) >= torch.cat([d.log_prob(near), d.log_prob(d.sample((4000,)))]).amax(0) - 1e-3).all()


def test_expectation_nodes_and_levels():
    d = pair(3.0, torch.tensor([0.3, 0.7]))
    kernel = GaussianKernel(torch.zeros(1, 1, 2), torch.full((1, 1, 2), 0.8))
    points, weights = d.nodes(2048)
    torch.testing.assert_close(weights.sum(0), torch.ones(1, 1))
    torch.testing.assert_close((weights * kernel(points)).sum(0), d.expectation(kernel), atol=2e-3, rtol=0)
    levels = d.credible_level(d.sample((3000,)))
    for nominal in (0.5, 0.9):
        assert abs((levels <= nominal).double().mean().item() - nominal) < 0.03


def test_components_must_agree_in_shape():
    with pytest.raises(ValueError, match="one shape"):
        Mixture([Gaussian(torch.zeros(2, 2), torch.ones(2, 2)), Gaussian(torch.zeros(3, 2), torch.ones(3, 2))])
