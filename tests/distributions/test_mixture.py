"""Mixtures against hand-worked numbers."""

import math

import pytest
import torch

from poserior.distributions import Flow, FlowLaw, Gaussian, GaussianKernel, Laplace, Mixture, RealNVP

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


def test_a_mixture_of_mixtures_is_one_mixture():
    inner = pair(3.0, torch.tensor([0.25, 0.75]))
    other = Laplace(torch.ones(1, 1, 2), torch.ones(1, 1, 2))
    d = Mixture([inner, other], torch.tensor([0.4, 0.6]))
    torch.testing.assert_close(d.weights, torch.tensor([0.1, 0.3, 0.6]))
    y = torch.randn(7, 1, 1, 2)
    by_hand = (0.4 * inner.log_prob(y).exp() + 0.6 * other.log_prob(y).exp()).log()
    torch.testing.assert_close(d.log_prob(y), by_hand)


def test_the_nodes_density_is_the_density_at_the_nodes():
    law = FlowLaw(RealNVP(2)).eval()
    parts = [Flow(torch.randn(3, 2, 2), 0.2 + torch.rand(3, 2, 2), law) for _ in range(3)]
    for d in (parts[0], Mixture([*parts, Gaussian(torch.randn(3, 2, 2), 0.2 + torch.rand(3, 2, 2))])):
        points, weights = d.nodes(96)
        log_prob, same = d.nodes_log_prob(96)
        torch.testing.assert_close(log_prob, d.log_prob(points))
        torch.testing.assert_close(same, weights)


def test_the_mode_is_the_same_with_and_without_gradients():
    loc = torch.randn(2, 3, 2, requires_grad=True)
    d = Mixture([Gaussian(loc, torch.ones(2, 3, 2)), Gaussian(-loc, torch.ones(2, 3, 2))])
    assert not d.mode.requires_grad
    with torch.no_grad():
        assert torch.equal(Mixture(d.components).mode, d.mode)


def test_the_mode_of_a_tilted_ridge():
    """Three equal Gaussians on a diagonal, close together: the middle one's centre."""
    at = torch.tensor([[[0.3, 0.3]]])
    ridge = Mixture([Gaussian(at * k, torch.full((1, 1, 2), 0.2)) for k in (-0.9, 0, 0.9)])
    torch.testing.assert_close(ridge.mode, torch.zeros(1, 1, 2), atol=1e-3, rtol=0)


def test_every_component_has_a_weight():
    with pytest.raises(ValueError, match="each of 2 components, found 3"):
        pair(1.0, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("law", [Gaussian, Laplace])
@pytest.mark.parametrize("apart", [0.0, 0.02, 0.1])
def test_regions_hold_their_share_of_the_laws_own_draws(law, apart):
    torch.manual_seed(0)
    scale = torch.full((40, 3, 2), 0.05)
    fused = Mixture([law(torch.zeros(40, 3, 2), scale), law(torch.full((40, 3, 2), apart), scale)])
    level = fused.credible_level(fused.sample((400,)))
    for probability in (0.5, 0.8, 0.9, 0.95):
        assert (level <= probability).double().mean().item() == pytest.approx(probability, abs=0.015)
