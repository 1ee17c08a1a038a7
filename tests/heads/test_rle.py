"""RLE's variants term by term, and what its parts learn."""

import math

import pytest
import torch
from torch.distributions import Laplace, Normal

from poserior import heads
from poserior.distributions import Flow

pytestmark = pytest.mark.usefixtures("double")
B, K = 4, 3


def parts(dim, **options):
    head = heads.RLE(5, K, dim=dim, **options)
    with torch.no_grad():
        head.regress.locate.linear.weight.normal_(0, 0.5)
        head.regress.measure.linear.weight.normal_(0, 0.5)
    d = head(torch.randn(B, 5, 2, 3))
    return head, d, torch.rand(B, K, dim) - 0.5


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(("base", "law"), [("laplace", Laplace), ("gaussian", Normal)])
def test_paper(dim, base, law):
    """-log Q(e) - log G(e) + sum log scale with e = (y - loc) / scale."""
    head, d, y = parts(dim, base=base)
    e = (y - d.loc) / d.scale
    assert (d.scale > 0).all()
    expected = -law(0.0, 1.0).log_prob(e).sum(-1) - head.law.flow.log_prob(e) + d.scale.log().sum(-1)
    torch.testing.assert_close(head.loss(d, y), expected)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(("base", "law"), [("laplace", Laplace), ("gaussian", Normal)])
def test_mmpose(dim, base, law):
    """Axis by axis: log scale - log G + (log scale - log Q), summed over the axes, with e = (loc - y) / scale."""
    head, d, y = parts(dim, base=base, variant="mmpose")
    scale = d.scale.abs()
    e = (d.loc - y) / scale
    per_axis = scale.log() - head.law.flow.log_prob(e)[..., None] + scale.log() - law(0.0, 1.0).log_prob(e)
    torch.testing.assert_close(head.loss(d, y), per_axis.sum(-1))


@pytest.mark.parametrize("dim", [2, 3])
def test_official(dim):
    """Axis by axis: log scale - log G + log(scale sqrt(2 pi)) + |e| / sqrt(2)."""
    head, d, y = parts(dim, variant="official")
    scale = d.scale.abs()
    e = (d.loc - y) / scale
    base = (scale * math.sqrt(2 * math.pi)).log() + e.abs() / math.sqrt(2)
    per_axis = scale.log() - head.law.flow.log_prob(e)[..., None] + base
    torch.testing.assert_close(head.loss(d, y), per_axis.sum(-1))


def test_official_location_divides_the_features_by_their_length():
    head = heads.RLE(5, K, variant="official")
    x = torch.randn(B, 5, 2, 3)
    pooled = x.mean((2, 3))
    expected = (
        pooled / pooled.norm(dim=1, keepdim=True)
    ) @ head.regress.locate.linear.weight.T + head.regress.locate.linear.bias
    torch.testing.assert_close(head(x).loc, expected.view(B, K, 2))
    torch.testing.assert_close(head(7 * x).loc, head(x).loc)


@pytest.mark.parametrize("base", ["laplace", "gaussian"])
def test_log_s_makes_the_loss_the_likelihood(base):
    """With its normaliser kept, the loss is the negative log density of the returned law, up to the Riemann sum."""
    head, d, y = parts(2, base=base, log_s=True, log_s_points=200)
    torch.testing.assert_close(head.loss(d, y), -d.log_prob(y), atol=0.02, rtol=0)


@pytest.mark.parametrize("base", ["laplace", "gaussian"])
def test_log_s_pulls_as_the_likelihood_does(base):
    """The gradient of the normaliser, which the points of the sum do not carry, against finite differences."""
    head, d, y = parts(2, base=base, log_s=True, log_s_points=150)
    head = head.double().eval()
    d = head(torch.randn(B, 5, 2, 3, dtype=torch.float64))
    bias = head.law.flow.biases[-1]
    (slope,) = torch.autograd.grad(head.loss(d, y.double()).mean(), bias)
    place, losses = int(slope.abs().argmax()), []
    for step in (-1e-3, 1e-3):
        with torch.no_grad():
            bias.view(-1)[place] += step
            losses.append(head.loss(d, y.double()).mean().item())
            bias.view(-1)[place] -= step
    assert slope.view(-1)[place].item() == pytest.approx((losses[1] - losses[0]) / 2e-3, rel=0.02)


def test_log_s_cannot_be_cheated_by_errors_that_all_look_alike():
    """Errors of a twentieth under scales that start at a half: a fixed grid of errors would not see the flow's mass."""
    torch.manual_seed(0)
    head = heads.RLE(5, K, log_s=True, couplings=4, neurons=16, log_s_points=16)
    x = torch.zeros(64, 5, 1, 1)
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(250):
        y = 0.05 * torch.randn(64, K, 2)
        optimiser.zero_grad()
        head.loss(head(x), y).mean().backward()
        optimiser.step()
    head.eval()
    fresh = 0.05 * torch.randn(64, K, 2)
    nll = -head(x).log_prob(fresh).mean().item()
    assert head.loss(head(x), fresh).mean().item() == pytest.approx(nll, abs=0.05)
    assert nll == pytest.approx(1 + math.log(2 * math.pi * 0.05**2), abs=0.15)  # the truth's entropy: -3.15


def test_density_of_a_mirrored_variant_is_that_of_the_error_it_learned():
    head, d, y = parts(2, variant="mmpose")
    scale = d.scale.abs()
    expected = head.law.flow.log_prob((d.loc - y) / scale) - scale.log().sum(-1)
    torch.testing.assert_close(d.log_prob(y), expected)


def test_dle_is_the_likelihood():
    head = heads.DLE(5, K)
    d, y = head(torch.randn(B, 5, 2, 3)), torch.rand(B, K, 2)
    torch.testing.assert_close(head.loss(d, y), -d.log_prob(y))


def test_fixed_trains_the_location_on_the_plain_distance():
    for base, gradient in (("laplace", lambda e: e.sign()), ("gaussian", lambda e: 2 * e)):
        head = heads.Fixed(5, K, base=base)
        d, y = head(torch.randn(B, 5, 2, 3)), torch.rand(B, K, 2)
        d.loc.retain_grad()
        head.loss(d, y).sum().backward()
        torch.testing.assert_close(d.loc.grad, gradient(d.loc.detach() - y))


def test_the_fixed_scale_finds_the_average_error():
    head = heads.Fixed(5, K, base="laplace")
    x, y = torch.zeros(200, 5, 1, 1), Laplace(0.0, 0.03).sample((200, K, 2))
    optimiser = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        head.loss(head(x), y).mean().backward()
        optimiser.step()
    assert head(x).scale[0, 0, 0].item() == pytest.approx((y - head(x).loc).abs().mean().item(), rel=0.02)


@pytest.mark.parametrize("variant", ["paper", "official", "mmpose"])
def test_scale_times_the_flows_spread_is_the_true_spread(variant):
    """Known errors of two sizes: the flow and the scale share the work, their product is right."""
    torch.set_default_dtype(torch.float32)
    true = torch.tensor([0.01, 0.04])
    head = heads.RLE(2, 1, variant=variant, neurons=32)
    which = torch.arange(512) % 2
    x = torch.eye(2)[which][..., None, None]
    optimiser = torch.optim.Adam(head.parameters(), 5e-3)
    for _ in range(500):
        y = torch.randn(512, 1, 2) * true[which][:, None, None]
        optimiser.zero_grad()
        head.loss(head(x), y).mean().backward()
        optimiser.step()
    head.eval()
    d = head(torch.eye(2)[..., None, None])
    assert isinstance(d, Flow)
    std = d.variance.sqrt().mean((1, 2))
    torch.testing.assert_close(std, true, rtol=0.12, atol=0)
    assert (d.mode.abs().amax((1, 2)) < 0.8 * true).all()
    assert (d.scale.abs().mean((1, 2)) > 3 * true).all()  # the scale alone is no standard deviation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "mmpose", "log_s": True}, "expected log_s with variant 'paper' only"),
        ({"dim": 4}, "expected dim 2 or 3, found 4"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        heads.RLE(5, K, **options)
