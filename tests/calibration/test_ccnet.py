import math

import pytest
import torch
from torch import nn

from poserior.calibration import CCNet
from poserior.distributions import Gaussian, Laplace

LABELLED = torch.tensor([[True, False, True], [True, True, False]])
OKS = torch.tensor([[0.9, float("nan"), 0.2], [0.4, 1.0, float("nan")]])


def outputs(score, visibility, log_variance=None):
    columns = [torch.logit(torch.tensor(score)), torch.logit(torch.tensor(visibility))]
    return torch.stack(columns + ([] if log_variance is None else [torch.tensor(log_variance)]), -1)


SCORE = [[0.8, 0.3, 0.5], [0.5, 0.7, 0.9]]
VISIBILITY = [[0.9, 0.2, 0.8], [0.6, 0.5, 0.4]]
CROSS_ENTROPY = -(math.log(0.9) + math.log(0.8) + math.log(0.8) + math.log(0.6) + math.log(0.5) + math.log(0.6)) / 6


def test_the_papers_loss_by_hand():
    found = CCNet(5, 3).objective(outputs(SCORE, VISIBILITY), OKS, LABELLED)
    squares = (0.1**2 + 0.3**2 + 0.1**2 + 0.3**2) / 4
    assert found.item() == pytest.approx(squares + 0.02 * CROSS_ENTROPY, rel=1e-5)


def test_cross_entropy_by_hand_is_least_at_the_truth():
    net = CCNet(5, 3, loss="ce")
    found = net.objective(outputs(SCORE, VISIBILITY), OKS, LABELLED)
    pairs = [(0.9, 0.8), (0.2, 0.5), (0.4, 0.5), (1.0, 0.7)]
    expected = -sum(o * math.log(s) + (1 - o) * math.log(1 - s) for o, s in pairs) / 4
    assert found.item() == pytest.approx(expected + 0.02 * CROSS_ENTROPY, rel=1e-5)
    aim = torch.full((1, 3), 0.3)
    everybody = torch.ones(1, 3, dtype=torch.bool)
    at = [net.objective(outputs([[s] * 3], [[0.5] * 3]), aim, everybody).item() for s in (0.29, 0.3, 0.31)]
    assert at[1] < min(at[0], at[2])


def test_the_aleatoric_loss_is_the_gaussian_likelihood():
    log_variance = [[-2.0, 0.0, -1.0], [-3.0, 0.5, 0.0]]
    found = CCNet(5, 3, loss="aleatoric").objective(outputs(SCORE, VISIBILITY, log_variance), OKS, LABELLED)
    law = torch.distributions.Normal(
        torch.tensor([0.8, 0.5, 0.5, 0.7]), torch.tensor([-2.0, -1.0, -3.0, 0.5]).exp().sqrt()
    )
    expected = -(law.log_prob(torch.tensor([0.9, 0.2, 0.4, 1.0])) + 0.5 * math.log(2 * math.pi)).mean()
    # the variance's floor of 1e-4 moves log variances of -3 and above by less than 0.002
    assert found.item() == pytest.approx(expected.item() + 0.02 * CROSS_ENTROPY, abs=2e-3)


@pytest.mark.parametrize("loss", ["mse", "ce", "aleatoric"])
def test_what_is_not_labelled_has_no_influence_and_no_gradient_is_lost(loss):
    net = CCNet(5, 3, loss=loss)
    raw = torch.randn(2, 3, 3 if loss == "aleatoric" else 2, requires_grad=True)
    value = net.objective(raw, OKS, LABELLED)
    (gradient,) = torch.autograd.grad(value, raw)
    assert gradient.isfinite().all()
    assert (gradient[..., 0] != 0).equal(LABELLED)
    assert (gradient[..., 1] != 0).all()
    nobody = net.objective(raw, OKS, torch.zeros(2, 3, dtype=torch.bool))
    assert nobody.isfinite()


def test_one_fully_connected_layer_on_pooled_features():
    net, features = CCNet(5, 3), torch.rand(2, 5, 7, 4)
    nn.init.normal_(net.answer.weight)
    score, visibility = net(Gaussian(torch.zeros(2, 3, 2), torch.ones(2, 3, 2)), features, torch.ones(2, 3, 2))
    logits = features.mean((2, 3)) @ net.answer.weight.T
    torch.testing.assert_close(score, logits[:, 0::2].sigmoid())
    torch.testing.assert_close(visibility, logits[:, 1::2].sigmoid())
    assert sum(value.numel() for value in net.parameters()) == (5 + 1) * 6


def test_it_also_sees_spread_and_expected_oks_if_asked():
    scale, width = torch.rand(2, 3, 2) + 0.1, torch.rand(2, 3, 1).expand(2, 3, 2)
    features = torch.rand(2, 5, 7, 4)
    seen = CCNet(5, 3, inputs="features+density").see(Gaussian(torch.rand(2, 3, 2), scale), features, width)
    squares = width[..., 0] ** 2
    variance = scale.square()
    expected = squares / ((squares + variance[..., 0]) * (squares + variance[..., 1])).sqrt()
    assert seen.shape == (2, 11)
    torch.testing.assert_close(seen[:, :5], features.mean((2, 3)))
    torch.testing.assert_close(seen[:, 5:8], variance.mean(-1).sqrt().log())
    torch.testing.assert_close(seen[:, 8:], expected)


def test_no_gradient_reaches_the_frozen_network():
    features = torch.rand(2, 5, 7, 4, requires_grad=True)
    scale = torch.full((2, 3, 2), 0.1, requires_grad=True)
    net = CCNet(5, 3, inputs="features+density", hidden=6)
    nn.init.normal_(net.answer.weight)
    sum(part.sum() for part in net(Laplace(torch.zeros(2, 3, 2), scale), features, torch.ones(2, 3, 2))).backward()
    assert features.grad is None
    assert scale.grad is None
    assert net.hide.weight.grad.abs().sum() > 0
    assert net.loss(features, LABELLED).item() == 0


def test_the_start_is_the_mean_oks_and_the_share_of_labels():
    torch.manual_seed(3)
    labelled = torch.rand(40, 3) < torch.tensor([0.9, 0.5, 0.0])
    oks = torch.rand(40, 3)
    seen = torch.rand(40, 5) * 3 + 7
    seen[:, 2] = 4.0
    for hidden in (0, 6):
        net = CCNet(5, 3, hidden=hidden)
        net.start(seen, oks, labelled, torch.Generator().manual_seed(0))
        score, visibility = net.verdict(net.raw(seen))
        means = [oks[labelled[:, k], k].mean() for k in range(2)] + [oks[labelled].mean()]
        torch.testing.assert_close(score, torch.stack(means).expand(40, 3), atol=1e-5, rtol=0)
        shares = labelled.float().mean(0).clamp(0.01, 0.99)
        torch.testing.assert_close(visibility, shares.expand(40, 3), atol=1e-5, rtol=0)
        standard = (seen - net.input_mean) / net.input_std
        torch.testing.assert_close(standard.std(0, unbiased=False), torch.tensor([1.0, 1, 0, 1, 1]), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "pixels"}, "expected inputs"),
        ({"loss": "l1"}, "expected loss"),
        ({"hidden": -1}, "hidden >= 0"),
        ({"head_channels": 0}, "head_channels >= 1"),
    ],
)
def test_errors_teach(options, message):
    from inspect import unwrap

    with pytest.raises(ValueError, match=message):
        unwrap(CCNet.__init__)(CCNet.__new__(CCNet), 5, 3, **options)
