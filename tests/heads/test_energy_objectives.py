"""The objectives of energy-based densities: hand-worked numbers, and what must hold at the truth."""

import math

import pytest
import torch

from poserior.heads.energy_objectives import (
    DenoisingScoreMatching,
    ImportanceSampling,
    KullbackLeibler,
    LangevinMaximumLikelihood,
    NoiseContrastive,
    ScoreMatching,
    toy_objective,
)

pytestmark = pytest.mark.usefixtures("double")
NAMES = ("ml-is", "nce", "nce+", "kld-is", "dsm", "sm", "mcmc")


def gaussian(loc, scale, constant=0.0):
    """f of ``N(loc, scale^2 I)``, short of its normaliser."""
    return lambda y: constant - 0.5 * ((y - loc) / scale).square().sum(-1)


def nll(y, loc, scale):
    return -torch.distributions.Normal(loc, scale).log_prob(y).sum(-1)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("constant", [0.0, 400.0, -400.0])
def test_importance_sampling_is_the_negative_log_likelihood(dim, constant):
    """f is far from normalised, even beyond what exp can hold in float32; the loss does not change."""
    labels = torch.randn(4, 3, dim)
    objective = ImportanceSampling(scales=(0.5, 2.0), samples=20_000)
    torch.testing.assert_close(
        objective(gaussian(0.3, 0.8, constant), labels), nll(labels, 0.3, 0.8), atol=0.1, rtol=0.0
    )


def test_importance_sampling_of_a_constant_is_exact_in_expectation():
    """f = 0 and one scale: the loss is log mean(1 / q), by hand from the same draws."""
    label = torch.tensor([[1.0]])
    torch.manual_seed(3)
    loss = ImportanceSampling(scales=(0.5,), samples=2)(lambda y: 0 * y[..., 0], label)
    torch.manual_seed(3)
    offsets = 0.5 * torch.randn(2, 1, 1)
    q = torch.distributions.Normal(0.0, 0.5).log_prob(offsets).exp()
    torch.testing.assert_close(loss, (1 / q).mean().log().reshape(1))


def test_noise_contrast_of_the_proposal_itself_is_log_of_the_count():
    """f = log q: the label cannot be told from the noise, so the loss is log(M + 1)."""
    label = torch.zeros(5, 2)
    objective = NoiseContrastive(scales=(0.3,), samples=7)
    loss = objective(gaussian(0.0, 0.3, 12.0), label)
    torch.testing.assert_close(loss, torch.full((5,), math.log(8.0)))


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_noise_contrast_has_no_slope_at_the_truth(beta):
    """Labels of N(0, 1), blurred as beta blurs them: with many candidates the truth alone has no slope."""
    labels = torch.special.ndtri((torch.arange(2000) + 0.5) / 2000)[:, None]
    blur = math.sqrt(1 + beta**2 * 2.0**2)
    slopes = []
    for scale in (0.8 * blur, blur, 1.25 * blur):
        log_scale = torch.tensor(math.log(scale)).requires_grad_()
        objective = NoiseContrastive(scales=(2.0,), beta=beta, samples=512)
        objective(lambda y, s=log_scale: gaussian(0.0, s.exp())(y) - s, labels).mean().backward()
        slopes.append(log_scale.grad.item())
    assert abs(slopes[1]) < 0.03
    assert slopes[0] < -0.2
    assert slopes[2] > 0.2


def test_jitter_of_the_label_has_the_documented_spread():
    seen = []

    def score(y):
        seen.append(y[0])
        return 0 * y[..., 0]

    NoiseContrastive(scales=(0.4,), beta=0.25, samples=1)(score, torch.full((20_000, 2), 5.0))
    torch.testing.assert_close(seen[0].mean(), torch.tensor(5.0), atol=3e-3, rtol=0)
    torch.testing.assert_close(seen[0].std(), torch.tensor(0.1), atol=2e-3, rtol=0)


def test_divergence_from_a_gaussian_by_hand():
    """log Z - E[f] with f of N(0, 1): log sqrt(2 pi) + (label^2 + target_scale^2) / 2."""
    labels = torch.tensor([[0.0], [1.0], [-0.5]])
    loss = KullbackLeibler(scales=(0.5, 1.5), target_scale=0.4, samples=200_000)(gaussian(0.0, 1.0), labels)
    expected = 0.5 * math.log(2 * math.pi) + 0.5 * (labels[:, 0] ** 2 + 0.16)
    torch.testing.assert_close(loss, expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_score_matching_of_a_gaussian(dim):
    """f of N(loc, s^2): the trace is -D / s^2, the squared slope |y - loc|^2 / s^4."""
    labels = torch.randn(4, 3, dim)
    loss = ScoreMatching()(gaussian(0.3, 0.8), labels)
    expected = -dim / 0.64 + 0.5 * (labels - 0.3).square().sum(-1) / 0.8**4
    torch.testing.assert_close(loss, expected)


def test_denoising_by_hand():
    """f of N(label, s^2 + blur^2) has slope -o / (s^2 + blur^2): the loss is D (1/blur - blur / (s^2 + blur^2))^2."""
    label = torch.tensor([[0.7, -0.2]])
    s, blur = 0.5, 0.3
    objective = DenoisingScoreMatching(scale=blur, samples=100_000)
    loss = objective(gaussian(label, math.hypot(s, blur)), label)
    torch.testing.assert_close(loss, torch.tensor([2 * (1 / blur - blur / (s**2 + blur**2)) ** 2]), rtol=0.02, atol=0)


def test_langevin_chains_reach_the_density():
    """The last points follow N(1, 0.5^2) although they start at 0: E[f] = -1/2 by then, and f(label) = -2."""
    objective = LangevinMaximumLikelihood(steps=300, step_length=0.15, samples=20_000)
    loss = objective(gaussian(1.0, 0.5), torch.zeros(1, 1))
    torch.testing.assert_close(loss, torch.tensor([-0.5 + 2.0]), atol=0.03, rtol=0)


def test_langevin_gradient_spares_the_chain():
    """The chain's steps are constants: with f = a y the gradient is mean(y_m) - label, not through y_m."""
    slope = torch.tensor(2.0, requires_grad=True)
    objective = LangevinMaximumLikelihood(steps=3, step_length=0.1, samples=50_000)
    objective(lambda y: slope * y[..., 0], torch.full((1, 1), 4.0)).sum().backward()
    torch.testing.assert_close(slope.grad, torch.tensor(3 * 0.5 * 0.01 * 2.0), atol=4e-3, rtol=0)


def weight():
    return torch.randn(1, 5, 3, 2, requires_grad=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_is_elementwise_over_any_batch(name):
    """Five nets times three items at once give each what it gets alone (with shared offsets and one seed)."""
    w = weight()
    labels = torch.randn(5, 3, 2)

    def score(part):
        return lambda y: (part * torch.tanh(y)).sum(-1) - y.square().sum(-1)

    objective = toy_objective(name, 1, samples=6, shared=True)
    torch.manual_seed(1)
    together = objective(score(w), labels)
    assert together.shape == (5, 3)
    torch.manual_seed(1)
    alone = objective(score(w[:, 2:3, 1:]), labels[2:3, 1:])
    torch.testing.assert_close(alone, together[2:3, 1:])
    together.sum().backward()
    assert (w.grad.abs() > 0).all()
    assert not labels.requires_grad


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shared", [True, False])
def test_a_generator_repeats_the_loss(name, shared):
    labels = torch.randn(4, 1)
    objective = toy_objective(name, 2, samples=6, shared=shared)
    first, second, third = (
        objective(gaussian(0.2, 0.9), labels, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    torch.testing.assert_close(first, second)
    assert name == "sm" or not torch.equal(first, third)


def test_published_settings_of_the_toy_problems():
    assert toy_objective("ml-is", 1) == ImportanceSampling(scales=(0.2, 1.6), samples=1024)
    assert toy_objective("nce+", 2) == NoiseContrastive(scales=(0.1, 0.8), beta=0.025)
    assert toy_objective("dsm", 2) == DenoisingScoreMatching(scale=0.075)
    assert toy_objective("mcmc", 2) == LangevinMaximumLikelihood(step_length=0.0125, steps=16)
