"""The contract that every public head obeys, walked head by head in 2-D and 3-D."""

import inspect

import pytest
import torch
from torch import nn

from poserior import heads
from poserior.distributions.cells import Cells

HEADS = [h for _, h in inspect.getmembers(heads, inspect.isclass) if not inspect.isabstract(h)]
SMALL = {"num_deconvolutions": 1, "channels": 7, "depth_cells": 6}
FLOW = {"couplings": 3, "layers": 2, "neurons": 8}
VARIANTS = {
    heads.Heatmap: [
        {"num_deconvolutions": 0, "depth_cells": 6, "decoding": "quarter"},
        {**SMALL, "decoding": "dark"},
    ],
    heads.Integral: [SMALL, {**SMALL, "base": "gaussian", "regulariser": 0.5, "temperature": 0.7}],
    heads.Bins: [
        {"image_size": (9, 8), "split": 2.0, "depth_bins": 13},
        {"image_size": (12, 10), "split": 0.5, "depth_bins": 4, "mean_weight": 0.2, "variance_weight": 0.05},
    ],
    heads.SoftArgmaxRLE: [{"depth_cells": 6, **FLOW}, {**SMALL, **FLOW, "base": "gaussian"}],
    heads.AuxiliaryHeatmapRLE: [{**SMALL, **FLOW}],
    heads.Fixed: [{"base": "laplace"}, {"base": "gaussian"}],
    heads.RLE: [
        {"base": base, "variant": variant}
        for base in ("laplace", "gaussian")
        for variant in ("paper", "official", "mmpose")
    ]
    + [{"log_s": True}, {"log_s": True, "base": "gaussian"}, {"couplings": 3, "layers": 2, "neurons": 8}]
    + [{"flows": "joint", **FLOW}],
    heads.Mixture: [{}, {"covariance": "full", "components": 4, "activation": "elu"}],
    heads.PoseMixture: [{}, {"components": 2, "activation": "elu"}],
}
# The law whose highest point is the answer, where that is not the keypoint's own: the whole pose's.
LAW_OF_THE_MODE = {heads.PoseMixture: lambda d: d.pose}
CASES = [(head, options) for head in HEADS for options in VARIANTS.get(head, [{}])]
B, C, H, W, K = 2, 5, 7, 11, 3  # all different: a swapped axis cannot pass

# Their convolutions run in autocast's precision, so that the density (itself float32) is a little another one.
CONVOLUTIONS = {heads.Heatmap, heads.Integral, heads.Bins, heads.SoftArgmaxRLE, heads.AuxiliaryHeatmapRLE}

# What the loss has beside the density: such parameters get their gradient from the loss alone.
BESIDE_THE_DENSITY = {heads.AuxiliaryHeatmapRLE: "auxiliary."}

pytestmark = pytest.mark.usefixtures("double")


def name(case):
    return case[0].__name__ + "".join(f"-{value}" for value in case[1].values())


def spread(head):
    """Make a fresh head's outputs vary, as after training: the initial weights are close to zero."""
    with torch.no_grad():
        for parameter_name, parameter in head.named_parameters():
            if "linear.weight" in parameter_name or "maps.weight" in parameter_name:
                parameter.normal_(0, 0.5)
            if "law.flow" in parameter_name:
                parameter.mul_(1.5)
            if "weigh.weight" in parameter_name:
                parameter.normal_(0, 0.5)
    return head


def seeded_loss(head, distribution, target):
    """The loss with the same draws each time, for heads whose loss draws."""
    torch.manual_seed(1)
    return head.loss(distribution, target)


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def dim(request):
    return request.param


@pytest.fixture(params=CASES, ids=name)
def head(request, dim):
    head_class, options = request.param
    return spread(head_class(C, K, dim=dim, **options))


def test_every_head_is_walked():
    assert {head for head, _ in CASES} == {getattr(heads, n) for n in heads.__all__} - {heads.Head}


def test_shapes(head, dim):
    d = head(torch.randn(B, C, H, W))
    assert d.batch_shape == (B, K)
    assert d.event_shape == (dim,)
    assert d.mode.shape == d.mean.shape == d.variance.shape == (B, K, dim)
    assert d.covariance.shape == (B, K, dim, dim)
    assert d.log_prob(d.mode).shape == d.credible_level(d.mode).shape == (B, K)
    assert d.sample((13,)).shape == (13, B, K, dim)
    assert head.loss(d, torch.rand(B, K, dim) - 0.5).shape == (B, K)
    points, weights = d.nodes(64)
    assert points.shape == (64, B, K, dim)
    torch.testing.assert_close(weights.sum(0), torch.ones(B, K))


@torch.no_grad()
def test_density_integrates_to_one(head, dim):
    """Midpoints of a grid of 14 standard deviations about the mean."""
    d = head(torch.randn(B, C, H, W))[1:, 1:2]
    if isinstance(d, Cells):
        cells_integrate_to_one(d)
        return
    n = {2: 200, 3: 72}[dim]
    side = 14 * d.variance.sqrt()
    axis = (torch.arange(n) + 0.5) / n - 0.5
    total = torch.zeros(1, 1)
    for chunk in axis.split(16):
        cells = torch.stack(torch.meshgrid(chunk, *[axis] * (dim - 1), indexing="ij"), -1)
        total += d.log_prob(d.mean + cells[..., None, None, :] * side).exp().flatten(0, -3).sum(0)
    torch.testing.assert_close(total * (side / n).prod(-1), torch.ones(1, 1), rtol=0.02, atol=0)


def cells_integrate_to_one(d):
    """Constant on its own cells: their middles are the whole integral over the box; a known share lies outside."""
    axes = [torch.arange(n) + 0.5 for n in d.shape]
    middles = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    total = d.log_prob(d.origin + d.size * middles[:, None, None]).exp().sum(0) * d.size.prod(-1)
    outside = d.outside_share * (
        1 - (2 / 3) ** len(axes)
    )  # a third of the plateau's mass on each axis is beyond the box
    torch.testing.assert_close(total, torch.full((1, 1), 1 - outside))


@torch.no_grad()
def test_mode_is_a_maximum(head):
    d = head(torch.randn(B, C, H, W))
    d = LAW_OF_THE_MODE.get(type(head), lambda d: d)(d)
    assert (d.log_prob(d.mode) >= d.log_prob(d.sample((2000,))).amax(0) - 1e-3).all()
    assert (d.credible_level(d.mode) <= 2e-3).all()


@torch.no_grad()
def test_samples_agree_with_density(head):
    """Goodness of fit: the credible levels of a law's own samples are uniform."""
    d = head(torch.randn(B, C, H, W))
    levels = d.credible_level(d.sample((4000,))).flatten(1)
    grid = torch.linspace(0.05, 0.95, 19)
    share = (levels[None] <= grid[:, None, None]).to(grid.dtype).mean((1, 2))
    # 24,000 levels: a Kolmogorov distance of 0.015 has probability below 1e-4, node quadrature adds a little.
    assert (share - grid).abs().max() < 0.02


@torch.no_grad()
def test_moments_agree_with_samples(head):
    d = head(torch.randn(B, C, H, W))
    draws = d.sample((8000,))
    std = d.variance.sqrt()
    assert ((draws.mean(0) - d.mean) / std).abs().max() < 0.06
    centred = (draws - draws.mean(0)) / std
    covariance = torch.einsum("nbkd,nbke->bkde", centred, centred) / len(draws)
    expected = d.covariance / std[..., :, None] / std[..., None, :]
    assert (covariance - expected).abs().max() < 0.3


@torch.no_grad()
def test_expectation_agrees_with_samples(head, dim):
    from poserior.distributions import GaussianKernel

    d = head(torch.randn(B, C, H, W))
    kernel = GaussianKernel(d.mode + 0.3 * d.variance.sqrt(), 0.7 * d.variance.sqrt())
    sampled = kernel(d.sample((8000,))).mean(0)
    torch.testing.assert_close(d.expectation(kernel), sampled, atol=0.02, rtol=0)
    torch.testing.assert_close(d.expectation(kernel.__call__), sampled, atol=0.02, rtol=0)


def test_affine_changes_variables(head, dim):
    d = head(torch.randn(B, C, H, W))
    scale, shift = torch.tensor([-2.0, 0.5, 3.0][:dim]), torch.tensor([1.0, -4.0, 0.25][:dim])
    y = torch.rand(B, K, dim) - 0.5
    moved = d.affine(scale, shift)
    torch.testing.assert_close(moved.log_prob(scale * y + shift), d.log_prob(y) - scale.abs().log().sum())
    torch.testing.assert_close(moved.mode, scale * d.mode + shift)
    torch.testing.assert_close(moved[:, [2, 0]].log_prob(y[:, [2, 0]]), moved.log_prob(y)[:, [2, 0]])
    torch.testing.assert_close(moved[..., [1]].mean, moved.mean[:, [1]])


def test_every_parameter_gets_gradient(head, dim):
    target = torch.rand(B, K, dim) - 0.5
    features = torch.randn(B, C, H, W)
    beside = BESIDE_THE_DENSITY.get(type(head), "nothing beside")
    for objective, passed_over in ((lambda d: -d.log_prob(target), beside), (lambda d: head.loss(d, target), "none")):
        head.zero_grad()
        objective(head(features)).mean().backward()
        for parameter_name, parameter in head.named_parameters():
            if parameter_name.startswith(passed_over):
                continue
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
            assert parameter.grad.abs().sum() > 0, parameter_name


def test_batch_items_do_not_mix(head, dim):
    for module in head.modules():
        if isinstance(module, nn.BatchNorm2d):  # mixes the batch in training, as it is meant to
            module.eval()
    f, y = torch.randn(B, C, H, W), torch.rand(B, K, dim) - 0.5
    torch.testing.assert_close(head(f).log_prob(y)[1:], head(f[1:]).log_prob(y[1:]))
    torch.testing.assert_close(seeded_loss(head, head(f), y)[1:], seeded_loss(head, head(f[1:]), y[1:]))


def test_exports(head):
    class Predict(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, f):
            d = self.head(f)
            return d.mode, d.covariance

    f = torch.randn(B, C, H, W)
    head.eval()
    exported = torch.export.export(Predict(), (f,)).module()
    torch.testing.assert_close(exported(f), (head(f).mode, head(f).covariance))


@pytest.mark.parametrize("error", [0.0, 1e-6, 1.0, 1e3, 1e8])
def test_loss_is_finite_for_any_label(head, dim, error):
    head.float()
    d = head(torch.randn(B, C, H, W, dtype=torch.float32))
    loss = head.loss(d, d.mode.detach() + error)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters() if parameter.grad is not None)


def test_mixed_precision_keeps_the_density_in_float32(head, dim):
    head.float()
    f, y = torch.randn(B, C, H, W, dtype=torch.float32), torch.rand(B, K, dim, dtype=torch.float32) - 0.5
    plain = seeded_loss(head, head(f), y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = seeded_loss(head, head(f), y)
    assert mixed.dtype == torch.float32
    if type(head) in CONVOLUTIONS:
        torch.testing.assert_close(mixed, plain, rtol=0.05, atol=0.02)
    else:
        torch.testing.assert_close(mixed, plain)
