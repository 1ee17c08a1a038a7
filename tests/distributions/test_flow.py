"""The flow's stored constants, its tilted form, and what training mode does to them."""

import pytest
import torch

from poserior.distributions import Flow, FlowLaw, RealNVP, StandardGaussian, StandardLaplace

pytestmark = pytest.mark.usefixtures("double")


def crooked(dim=2, base=None):
    flow = RealNVP(dim)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.mul_(2)
    return FlowLaw(flow, base).eval()


def grid(n, half):
    axis = ((torch.arange(n) + 0.5) / n * 2 - 1) * half
    return torch.cartesian_prod(axis, axis), (2 * half / n) ** 2


@torch.no_grad()
@pytest.mark.parametrize("base", [None, StandardLaplace(), StandardGaussian()])
def test_constants_agree_with_a_fine_grid(base):
    law = crooked(base=base)
    points, cell = grid(500, 12)
    mass = law.log_prob(points).exp() * cell
    torch.testing.assert_close(mass.sum(), torch.tensor(1.0), atol=0.01, rtol=0)
    mean = (mass[:, None] * points).sum(0)
    covariance = (mass[:, None] * (points - mean)).T @ (points - mean)
    spread = covariance.diagonal().sqrt()
    assert ((law.mean - mean) / spread).abs().max() < 0.01
    assert ((law.covariance - covariance) / spread / spread[:, None]).abs().max() < 0.05
    assert law.log_prob(law.mode) >= law.log_prob(points).max() - 1e-4


def test_constants_follow_the_flow_in_training_and_are_stored_in_evaluation():
    law = crooked()
    loc, scale = torch.zeros(1, 1, 2), torch.ones(1, 1, 2)
    before = Flow(loc, scale, law).mean
    law.train()
    with torch.no_grad():
        law.flow.biases[-1].add_(1.0)
    fresh = Flow(loc, scale, law).mean
    assert (fresh - before).abs().max() > 0.1
    torch.testing.assert_close(law.mean, before[0, 0])  # the stored one is still the old one
    law.eval()
    torch.testing.assert_close(law.mean, fresh[0, 0])


def test_constants_travel_with_the_checkpoint():
    law, other = crooked(), FlowLaw(RealNVP())
    other.load_state_dict(law.state_dict())
    for name in ("mode", "mean", "covariance", "points"):
        torch.testing.assert_close(getattr(other, name), getattr(law, name))


def test_negative_scale_mirrors():
    law = crooked()
    loc, scale, y = torch.randn(2, 3, 2), 0.1 + torch.rand(2, 3, 2), torch.randn(2, 3, 2)
    mirrored = Flow(loc, -scale, law)
    torch.testing.assert_close(mirrored.log_prob(y), Flow(-loc, scale, law).log_prob(-y))
    torch.testing.assert_close(mirrored.mode, -Flow(-loc, scale, law).mode)
