"""Gaussian mixtures against torch, hand-worked peaks and brute force; what they can fit."""

import math

import pytest
import torch

from poserior.distributions import Gaussian, GaussianKernel, GaussianMixture

pytestmark = pytest.mark.usefixtures("double")


def mixture(*batch, components=4, dim=2):
    lower = torch.tril(0.2 * torch.randn(*batch, components, dim, dim), -1)
    lower = lower + torch.diag_embed(0.2 + 0.4 * torch.rand(*batch, components, dim))
    return GaussianMixture(torch.randn(*batch, components), 0.4 * torch.randn(*batch, components, dim), lower)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_density_and_moments_against_torch(dim):
    d, y = mixture(4, 3, components=5, dim=dim), torch.randn(6, 4, 3, dim)
    td = torch.distributions
    parts = td.MultivariateNormal(d.loc, scale_tril=d.scale_tril)
    reference = td.MixtureSameFamily(td.Categorical(logits=d.logits), parts)
    torch.testing.assert_close(d.log_prob(y), reference.log_prob(y))
    torch.testing.assert_close(d.mean, reference.mean)
    torch.testing.assert_close(d.variance, reference.variance)


def test_covariance_by_hand():
    """Unit Gaussians at -2 and 2 on x with weights 1/4, 3/4: mean 1, between-components variance (9 + 3) / 4."""
    loc = torch.tensor([[-2.0, 0.0], [2.0, 0.0]])
    d = GaussianMixture(torch.tensor([0.25, 0.75]).log(), loc, torch.eye(2).expand(2, 2, 2))
    torch.testing.assert_close(d.mean, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(d.covariance, torch.tensor([[4.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(d.dominant, torch.tensor([2.0, 0.0]))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_kernel_expectation_against_nodes(dim):
    d = mixture(3, dim=dim)
    kernel = GaussianKernel(d.mean + 0.2, torch.full((3, dim), 0.4))
    points, weights = d.nodes(4096)
    torch.testing.assert_close((weights * kernel(points)).sum(0), d.expectation(kernel), atol=2e-3, rtol=0)


@pytest.mark.parametrize(("gap", "sign"), [(0.0, 0), (1.0, 0), (1.9, 0), (8.0, 1)])
def test_mode_of_two_components(gap, sign):
    """Equal unit Gaussians up to two standard deviations apart peak in the middle; far ones at the heavier."""
    loc = torch.tensor([[-gap / 2, 0.0], [gap / 2, 0.0]])
    d = GaussianMixture(torch.tensor([0.0, 0.1 * sign]), loc, torch.eye(2).expand(2, 2, 2))
    torch.testing.assert_close(d.mode, torch.tensor([sign * gap / 2, 0.0]), atol=1e-6, rtol=0)


def test_mode_is_not_the_heaviest_components_centre():
    """A narrow component of weight 0.3 stands higher than a broad one of weight 0.7."""
    lower = torch.tensor([0.1, 1.0])[:, None, None] * torch.eye(2)
    d = GaussianMixture(torch.tensor([0.3, 0.7]).log(), torch.tensor([[3.0, 0.0], [0.0, 0.0]]), lower)
    torch.testing.assert_close(d.mode, torch.tensor([3.0, 0.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(d.dominant, torch.zeros(2))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_mode_is_the_highest_of_many_points(dim):
    d = mixture(40, components=5, dim=dim)
    tries = torch.cat([d.sample((3000,)), d.mode + 0.05 * torch.randn(1000, 40, dim)])
    assert (d.log_prob(d.mode) >= d.log_prob(tries).amax(0) - 2e-3).all()


def test_mode_in_single_precision_and_with_tiny_scales():
    loc = 0.3 * torch.randn(50, 3, 2)
    lower = torch.diag_embed(torch.full((50, 3, 2), 1e-4))
    d = GaussianMixture(torch.randn(50, 3).float(), loc.float(), lower.float())
    torch.testing.assert_close(d.mode, d.dominant, atol=1e-6, rtol=0)


def test_samples_have_the_levels():
    d = mixture(2, components=3)
    levels = d.credible_level(d.sample((5000,)))
    for nominal in (0.3, 0.6, 0.9):
        torch.testing.assert_close((levels <= nominal).double().mean(0), torch.full((2,), nominal), atol=0.03, rtol=0)


def test_far_values_have_finite_gradients():
    d = mixture(3)
    logits, loc, lower = (part.clone().float().requires_grad_() for part in (d.logits, d.loc, d.scale_tril))
    value = torch.tensor([1e8, -1e8], dtype=torch.float32)
    loss = -GaussianMixture(logits, loc, lower).log_prob(value).sum()
    loss.backward()
    assert loss.isfinite()
    assert all(part.grad.isfinite().all() for part in (logits, loc, lower))


def test_two_equal_modes_are_learned_where_a_gaussian_cannot():
    """A keypoint that is left or right, 0.4 apart, 0.03 wide: entropy log 2 + log(2 pi e 0.03^2) nats."""
    generator = torch.Generator().manual_seed(5)
    side = torch.randint(0, 2, (4000, 1), generator=generator) * 2.0 - 1
    y = torch.randn(4000, 2, generator=generator) * 0.03 + side * torch.tensor([0.2, 0.0])
    entropy = math.log(2) + math.log(2 * math.pi * math.e * 0.03**2)
    logits, loc = torch.zeros(3), torch.tensor([[-0.1, 0.1], [0.1, 0.0], [0.0, -0.1]])
    raw = torch.full((3, 2), math.log(0.2))
    parameters = [part.requires_grad_() for part in (logits, loc, raw)]
    optimiser = torch.optim.Adam(parameters, lr=0.03)
    for _ in range(300):
        optimiser.zero_grad()
        nll = -GaussianMixture(logits, loc, torch.diag_embed(raw.exp())).log_prob(y).mean()
        nll.backward()
        optimiser.step()
    best_gaussian = -Gaussian(y.mean(0), y.std(0, correction=0)).log_prob(y).mean().item()
    assert abs(nll.item() - entropy) < 0.05
    assert best_gaussian > entropy + 1.0
    mode = GaussianMixture(logits, loc, torch.diag_embed(raw.exp())).mode.detach()
    assert min((mode - torch.tensor([s * 0.2, 0.0])).norm().item() for s in (-1, 1)) < 0.01
