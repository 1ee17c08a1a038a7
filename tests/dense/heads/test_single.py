"""The heads with one mode: the plain distance with its scale, and RLE."""

import pytest
import torch

from poserior.dense.heads import DenseFixed, DenseRLE
from poserior.distributions import StandardGaussian, StandardLaplace

pytestmark = pytest.mark.usefixtures("double")
N, K, C = 4, 3, 5
FACTORS = (0.5, 1.0, 2.0)


@pytest.mark.parametrize("base", ["laplace", "gaussian"])
def test_location_gets_the_plain_distances_gradient(base):
    head = DenseFixed(C, FACTORS, base=base)
    raw, target = torch.randn(N, 2 * K, requires_grad=True), torch.randn(N, K, 2)
    labelled = torch.rand(N, K) < 0.6
    head.loss(head.density(raw), target, labelled).sum().backward()
    error = raw.detach().view(N, K, 2) - target
    expected = error.sign() if base == "laplace" else 2 * error
    torch.testing.assert_close(raw.grad.view(N, K, 2), torch.where(labelled[..., None], expected, 0.0))


def test_scale_becomes_the_average_error():
    """Laplace's own maximum likelihood: the mean of ``|error| / factor`` over labelled coordinates."""
    head = DenseFixed(C, FACTORS)
    target = torch.randn(200, K, 2) * torch.tensor([1.0, 3.0, 2.0])[:, None]
    labelled = torch.rand(200, K) < 0.6
    optimiser = torch.optim.Adam(head.parameters(), 0.01)
    for _ in range(150):
        optimiser.zero_grad()
        loss = head.loss(head.density(torch.zeros(200, 2 * K)), target, labelled).mean()
        loss.backward()
        optimiser.step()
    expected = (target.abs() / torch.tensor(FACTORS)[:, None])[labelled].mean()
    scale = head.density(torch.zeros(1, 2 * K)).scale[0] / torch.tensor(FACTORS)[:, None]
    torch.testing.assert_close(scale, expected.expand(K, 2), rtol=0.02, atol=0)


@pytest.mark.parametrize("base", ["laplace", "gaussian"])
def test_rles_loss_and_density(base):
    head = DenseRLE(C, FACTORS, base=base, couplings=3, layers=2, neurons=8, initial_scale=2.0)
    raw, target = torch.randn(N, 4 * K), torch.randn(N, K, 2)
    labelled = torch.rand(N, K) < 0.6
    d = head.density(raw)
    s = torch.where(raw[:, 2 * K :] > 0, raw[:, 2 * K :] + 1, raw[:, 2 * K :].exp()) + 0.05
    scale = s.view(N, K, 2) * (torch.tensor(FACTORS) / torch.tensor(FACTORS).mean())[:, None]
    torch.testing.assert_close(d.scale, scale)
    error = (target - raw[:, : 2 * K].view(N, K, 2)) / scale
    flow, logs = head.law.flow.log_prob(error), scale.log().sum(-1)
    torch.testing.assert_close(d.log_prob(target), flow - logs)
    q = (StandardLaplace() if base == "laplace" else StandardGaussian()).log_prob(error)
    expected = torch.where(labelled, logs - q - flow, 0.0).sum(-1)
    torch.testing.assert_close(head.loss(d, target, labelled), expected)


def test_rles_smallest_scale_is_its_floor_times_the_relative_factor():
    head = DenseRLE(C, FACTORS, scale_floor=0.2, couplings=2, layers=2, neurons=4)
    d = head.density(torch.full((1, 4 * K), -1e4))
    torch.testing.assert_close(d.scale[0, :, 0], 0.2 * torch.tensor(FACTORS) * 6 / 7)


def test_a_scale_floor_of_zero_is_told():
    with pytest.raises(ValueError, match="positive scale_floor"):
        DenseRLE(C, FACTORS, scale_floor=0.0)
