"""The energy head: every objective's loss, and a law with two peaks learned."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from poserior import heads

NAMES = ("ml-is", "nce", "nce+", "kld-is", "dsm", "sm", "mcmc")


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_every_objective_trains_every_parameter_whatever_the_label(name, dim):
    head = heads.Energy(5, 3, dim=dim, objective=name, samples=6)
    for error in (0.1, 1e8):
        head.zero_grad()
        d = head(torch.randn(2, 5, 7, 11))
        loss = head.loss(d, d.loc.detach() + error)
        assert loss.shape == (2, 3)
        assert loss.isfinite().all()
        loss.sum().backward()
        for parameter_name, parameter in head.named_parameters():
            assert parameter.grad.isfinite().all(), parameter_name
            assert error > 1 or parameter.grad.abs().sum() > 0, parameter_name


def test_the_objective_leaves_location_and_scale_alone():
    """Their gradient is the base law's own: ``d/dloc [-log logistic] = -tanh(e / 2) / scale``."""
    head = heads.Energy(5, 3, samples=6).double()
    d = head(torch.randn(2, 5, 7, 11, dtype=torch.float64))
    d.loc.retain_grad()
    target = d.loc.detach() + 0.2
    head.loss(d, target).sum().backward()
    torch.testing.assert_close(d.loc.grad, -torch.tanh(0.1 / d.scale.detach()) / d.scale.detach())


def test_two_peaks_are_learned():
    """NLL within 0.15 nats of the truth's own; the best single Gaussian is 0.5 away."""
    truth = MixtureSameFamily(
        Categorical(torch.tensor([0.65, 0.35])),
        Independent(Normal(torch.tensor([[-1.5, -0.5], [1.5, 1.0]]), torch.tensor([[0.5, 0.3], [0.3, 0.6]])), 1),
    )
    head = heads.Energy(4, 1, samples=64)
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=300)
    features = torch.ones(64, 4, 1, 1)
    for _ in range(300):
        optimiser.zero_grad()
        head.loss(head(features), 0.1 * truth.sample((64, 1))).mean().backward()
        optimiser.step()
        schedule.step()
    draws = truth.sample((20_000,))
    gaussian = torch.distributions.MultivariateNormal(draws.mean(0), draws.T.cov())
    with torch.no_grad():
        d = head(features[:1])
        nll = -d.log_prob(0.1 * draws[:, None, None]).mean()
    best = -truth.log_prob(draws).mean() + 2 * math.log(0.1)
    assert nll < best + 0.15
    assert -gaussian.log_prob(draws).mean() + 2 * math.log(0.1) > best + 0.4
    torch.testing.assert_close(d.mode, torch.tensor([[[-0.15, -0.05]]]), atol=0.03, rtol=0)


def test_empty_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample, found 0"):
        heads.Energy(5, 3, samples=0)
