"""The mixture head: the public code's objective, its start, its scales."""

import math

import pytest
import torch

from poserior.dense.heads import DenseMixture
from poserior.dense.heads.scales import CellScale

pytestmark = pytest.mark.usefixtures("double")
N, K, C = 6, 3, 5
FACTORS = (0.5, 1.0, 2.0)


def labelled_targets():
    labelled = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]]) > 0
    return 3 * torch.randn(N, K, 2), labelled


@pytest.mark.parametrize("covariance", ["shared", "diagonal", "full"])
def test_published_objective_is_the_exact_one_and_a_constant(covariance):
    exact = DenseMixture(C, FACTORS, covariance=covariance)
    published = DenseMixture(C, FACTORS, covariance=covariance, objective="published")
    raw = torch.randn(N, sum(exact.sizes), requires_grad=True)
    target, labelled = labelled_targets()
    first = exact.loss(exact.density(raw), target, labelled)
    second = published.loss(published.density(raw), target, labelled)
    logs = 2 * torch.tensor(FACTORS, dtype=torch.float64).log()
    left_out = torch.stack([logs[seen].sum() for seen in labelled])
    torch.testing.assert_close(second, first - left_out, atol=1e-6, rtol=1e-6)  # the factors are float32
    gradients = [torch.autograd.grad(loss.sum(), raw)[0] for loss in (first, second)]
    torch.testing.assert_close(*gradients)


def test_published_weights_are_clamped():
    """Of weights 1 and e^-20 the code makes 1 - 1e-4 and 1e-4; here the target is at the lighter one."""
    head = DenseMixture(C, (1.0,), components=2, objective="published")
    raw = torch.tensor([[20.0, 0.0, 100.0, 0.0, 0.0, 0.0, -1e3, -1e3, -1e3, -1e3]], requires_grad=True)
    loss = head.loss(head.density(raw), torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.tensor([math.log(2 * math.pi) - math.log(1e-4)]))  # scales of one cell
    loss.sum().backward()
    assert (raw.grad[0, :2] == 0).all()
    exact = DenseMixture(C, (1.0,), components=2)
    loss = exact.loss(exact.density(raw), torch.zeros(1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.tensor([math.log(2 * math.pi) + 20.0]))


@pytest.mark.parametrize("objective", ["exact", "published"])
def test_weight_gain_multiplies_the_weights_gradient_alone(objective):
    """It is the weight less the component's share in the label, times the gain; the loss and all else stay."""
    plain = DenseMixture(C, FACTORS, objective=objective)
    eager = DenseMixture(C, FACTORS, objective=objective, weight_gain=7.0)
    raw = torch.randn(N, sum(plain.sizes), requires_grad=True)
    target, labelled = labelled_targets()
    losses = [head.loss(head.density(raw), target, labelled) for head in (plain, eager)]
    assert losses[0].equal(losses[1])
    usual, more = (torch.autograd.grad(loss.sum(), raw)[0] for loss in losses)
    pose = plain.density(raw).pose
    shares = (pose.logits.log_softmax(-1) + pose.component_log_prob(target, labelled)).softmax(-1)
    torch.testing.assert_close(more[:, :3], 7 * (pose.weights - shares).detach())
    torch.testing.assert_close(more[:, :3], 7 * usual[:, :3])
    assert more[:, 3:].equal(usual[:, 3:])
    assert usual[:, 3:].abs().sum() > 0


@pytest.mark.parametrize(("offset", "least"), [(2.0, 1.0), (10.0, 9.0), (1.0, 1e-4), (1.5, 0.5), (None, 1e-4)])
def test_least_scale(offset, least):
    scale = CellScale(offset)
    torch.testing.assert_close(scale(torch.tensor([-1e4])), torch.tensor([least]))
    assert (scale(torch.linspace(-30, 30, 100)).diff() >= 0).all()
    assert scale(torch.tensor(scale.raw(12.5))) == pytest.approx(12.5)
    head = DenseMixture(C, FACTORS, scale_offset=offset)
    narrowest = head.density(torch.full((1, sum(head.sizes)), -1e4)).pose.scale
    torch.testing.assert_close(narrowest[0, 0], least * torch.tensor(FACTORS)[:, None].expand(K, 2))


def start(head):
    return head.density(head.predict[-1].bias.detach()[None])


def test_boxes_start_at_sizes_evenly_spaced_in_logarithm():
    d = start(DenseMixture(C, (1.0,), components=2, initial_scale=3.0))
    torch.testing.assert_close(d.pose.loc[0, :, 0], torch.tensor([[8.0, 8.0], [32.0, 32.0]]))  # 4 to 64
    torch.testing.assert_close(d.pose.scale, torch.full((1, 2, 1, 2), 3.0))
    torch.testing.assert_close(d.pose.weights, torch.full((1, 2), 0.5))


@pytest.mark.parametrize("keypoints", [5, 17])
def test_poses_start_as_different_wholes(keypoints):
    """About 0.6 standard deviations apart, however many keypoints there are."""
    factors = torch.linspace(0.03, 0.1, keypoints).tolist()
    pose = start(DenseMixture(C, factors, components=5, initial_scale=4.0)).pose
    apart = torch.pdist((pose.loc[0] / pose.scale[0]).flatten(1))
    assert apart.min() > 0.3
    assert apart.mean() == pytest.approx(0.58, abs=0.12)
    torch.testing.assert_close(pose.scale.mean(), torch.tensor(4.0))


@pytest.mark.parametrize("covariance", ["shared", "diagonal", "full"])
def test_published_start_is_zero(covariance):
    head = DenseMixture(C, FACTORS, covariance=covariance, initial_scale=None)
    assert (head.predict[-1].bias == 0).all()
    d = start(head)
    assert (d.pose.loc == 0).all()
    spread = d.pose.scale_tril.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(spread, (2 * torch.tensor(FACTORS))[:, None].expand(1, 3, K, 2))


def test_a_start_below_the_raw_value_zero_is_that():
    d = start(DenseMixture(C, (1.0,), scale_offset=10.0, initial_scale=4.0))
    torch.testing.assert_close(d.pose.scale, torch.full((1, 3, 1, 2), 10.0))


def test_shared_scales_differ_by_the_factors_alone():
    head = DenseMixture(C, FACTORS, components=4)
    d = head.density(torch.randn(N, sum(head.sizes)))
    ratio = d.pose.scale / d.pose.scale[:, :, :1]
    expected = torch.tensor(FACTORS)[:, None] / FACTORS[0]
    torch.testing.assert_close(ratio, expected.expand(N, 4, K, 2))
    assert (d.pose.scale[..., 0] != d.pose.scale[..., 1]).all()  # x and y have their own


def learnt(initial_scale):
    """What the raw values become when half the labels say a pose, half its opposite, in the same cell."""
    head = DenseMixture(C, (0.05, 0.1), components=2, initial_scale=initial_scale)
    pose = torch.tensor([[6.0, -2.0], [-5.0, 3.0]])
    target, labelled = torch.stack([pose, -pose]), torch.ones(2, 2, dtype=torch.bool)
    raw = head.predict[-1].bias.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([raw], 0.3)
    for _ in range(150):
        optimiser.zero_grad()
        head.loss(head.density(raw.expand(2, -1)), target, labelled).mean().backward()
        optimiser.step()
    return pose, head.density(raw.detach()[None]).pose


def test_it_learns_two_poses_where_their_average_is_neither():
    pose, found = learnt(4.0)
    first = found.loc[0][found.loc[0, :, 0, 0].argsort(descending=True)]
    torch.testing.assert_close(first, torch.stack([pose, -pose]), atol=0.2, rtol=0)
    torch.testing.assert_close(found.weights, torch.full((1, 2), 0.5), atol=0.02, rtol=0)


def test_components_that_start_alike_stay_alike():
    """What the start is for: nothing but the weights' chance tells components of equal raw values apart."""
    _, found = learnt(None)
    torch.testing.assert_close(found.loc, torch.zeros(1, 2, 2, 2), atol=0.3, rtol=0)
    torch.testing.assert_close(found.loc[:, 0], found.loc[:, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "1 to 10 components"),
        ({"components": 11}, "1 to 10 components"),
        ({"scale_offset": 0.5}, "at least 1"),
        ({"weight_gain": 0.0}, "positive, finite weight_gain, found 0.0"),
        ({"weight_gain": math.inf}, "positive, finite weight_gain, found inf"),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        DenseMixture(C, FACTORS, **options)


def test_torn_poses_are_told():
    head = DenseMixture(C, FACTORS)
    d = head.density(torch.randn(N, sum(head.sizes)))
    with pytest.raises(ValueError, match="law of whole poses"):
        head.weights(d[torch.rand(N, K) < 0.5])
