"""The expected OKS of every public density, biased and in image pixels: its value and its gradients."""

import math

import pytest
import torch
from scipy import stats

from poserior import distributions
from poserior.calibration import expected_oks
from poserior.distributions import (
    Distribution,
    Energy,
    Flow,
    FlowLaw,
    FlowLaws,
    FullGaussian,
    Gaussian,
    GaussianMixture,
    Grid,
    JointFlow,
    Laplace,
    LocScale,
    Mixture,
    Plateau,
    PoseGaussianMixture,
    ProductGrid,
    RealNVP,
    StandardLaplace,
    StudentT,
)

B, K = 2, 3
SIGMAS = (0.05, 0.1, 0.2)
AREA = (900.0, 4000.0)


def leaf(*shape, low=-0.2, high=0.2):
    return (low + (high - low) * torch.rand(*shape)).requires_grad_()


def flow_law(base=None):
    flow = RealNVP(2, couplings=2, layers=2, neurons=8)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return FlowLaw(flow, base).eval()


def tilt(error, context):
    """A bounded bump that leans to one side."""
    return 3 * torch.exp(-0.3 * (error - context).square().sum(-1)) + torch.tanh(error[..., 0] * context[..., 1])


def tril(loc, factor):
    return FullGaussian(loc, factor.tril(-1) + torch.diag_embed(factor.diagonal(dim1=-2, dim2=-1)))


def loc_scale(kind, *more):
    return lambda loc, scale: kind(loc, scale, *more)


def cases():
    """By name: the law as a function of its parameters, those parameters, how exact the value is."""
    loc, scale = leaf(B, K, 2), leaf(B, K, 2, low=0.05, high=0.15)
    M = 4
    mixture = (leaf(B, K, M), leaf(B, K, M, 2), leaf(B, K, M, 2, 2, low=0.05, high=0.15))
    laws = FlowLaws([flow_law() for _ in range(K)])
    joint = torch.arange(K).expand(B, K)
    return {
        "Gaussian": (Gaussian, (loc, scale), 1e-6),
        "Laplace": (Laplace, (loc, scale), 1e-3),
        "StudentT": (StudentT, (loc, scale, leaf(B, K, low=1.5, high=6)), 1e-5),
        "Plateau": (Plateau, (loc, scale), 1e-3),
        "LocScale": (loc_scale(LocScale, StandardLaplace()), (loc, scale), 1e-3),
        "FullGaussian": (tril, (loc, leaf(B, K, 2, 2, low=0.05, high=0.15)), 1e-6),
        "GaussianMixture": (lambda w, m, f: GaussianMixture(w, m, f.tril()), mixture, 1e-6),
        "Mixture": (
            lambda loc, scale, w: Mixture([Laplace(loc, scale), Gaussian(-loc, 2 * scale)], w.softmax(0)),
            (loc, scale, leaf(2)),
            1e-3,
        ),
        "PoseMarginals": (
            lambda w, m, s: PoseGaussianMixture(w, m, s).marginals(),
            (leaf(B, M), leaf(B, M, K, 2), leaf(B, M, K, 2, low=0.05, high=0.15)),
            1e-6,
        ),
        "Grid": (Grid, (leaf(B, K, 7, 11, low=-2, high=2),), 2e-4),
        "ProductGrid": (
            lambda x, y: ProductGrid([x, y]),
            (leaf(B, K, 11, low=-2, high=2), leaf(B, K, 7, low=-2, high=2)),
            2e-4,
        ),
        "Flow": (loc_scale(Flow, flow_law()), (loc, scale), 2e-3),
        "Flow with a base": (loc_scale(Flow, flow_law(StandardLaplace())), (loc, scale), 2e-3),
        "JointFlow": (loc_scale(JointFlow, laws, joint), (loc, scale), 2e-3),
        "Energy": (
            lambda loc, scale, context: Energy(loc, scale, tilt, context, 32),
            (loc, scale, leaf(B, K, 2, low=-1, high=1)),
            4e-3,  # of which most is the density's own Z
        ),
    }


NAMES = [
    "Gaussian",
    "Laplace",
    "StudentT",
    "Plateau",
    "LocScale",
    "FullGaussian",
    "GaussianMixture",
    "Mixture",
    "PoseMarginals",
    "Grid",
    "ProductGrid",
    "Flow",
    "Flow with a base",
    "JointFlow",
    "Energy",
]
ZOOM, SHIFT = torch.tensor([[[90.0, 120.0]], [[-150.0, 200.0]]]), torch.tensor([[[40.0, 60.0]], [[300.0, 10.0]]])


def in_image(law):
    """As prediction does it; the second person's picture is mirrored."""
    return law.affine(ZOOM.double(), SHIFT.double())


def dense_grid(law, point, width, cells=160):
    """``int p(y) exp(-|y - point|^2 / 2 width^2) dy`` by the midpoint rule over five widths each way."""
    axis = ((torch.arange(cells) + 0.5) / cells - 0.5) * 10
    offsets = torch.cartesian_prod(axis, axis)[:, None, None] * width[..., None]
    heights = law.log_prob(point + offsets).exp() * torch.exp(-0.5 * (offsets / width[..., None]).square().sum(-1))
    return heights.sum(0) * (width * 10 / cells) ** 2


def cell_sums(law, point, width, parts=24):
    """The same for a density that is constant on cells, with so many points per axis in each; none outside the box."""
    places = [(torch.arange(count * parts) + 0.5) / parts for count in law.shape]
    points = law.origin + law.size * torch.cartesian_prod(*places)[:, None, None]
    heights = law.log_prob(points).exp() * torch.exp(-0.5 * ((points - point) / width[..., None]).square().sum(-1))
    return heights.sum(0) * law.size.abs().prod(-1) / parts**2


def test_the_walk_is_over_all_of_them():
    kinds = {name for name in distributions.__all__ if _is_density(getattr(distributions, name))}
    whole = {"WholePoses", "PoseGaussianMixture", "PoseFullMixture"}  # of poses: their marginals are walked
    assert kinds - {"Distribution", "Recalibrated", *whole} == {name.split()[0] for name in NAMES}


def _is_density(found):
    return isinstance(found, type) and issubclass(found, Distribution)


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_integral_on_a_dense_grid(name, double):
    build, parameters, tolerance = cases()[name]
    law = in_image(build(*parameters))
    width = 2 * torch.tensor(AREA).sqrt()[:, None] * torch.tensor(SIGMAS)
    with torch.no_grad():
        for point in (None, law.mean + 0.7 * width[..., None] * torch.tensor([1.0, -0.5])):
            ours = expected_oks(law, torch.tensor(AREA), SIGMAS, point)
            integral = cell_sums if isinstance(law, Grid | ProductGrid) else dense_grid
            truth = integral(law, law.mode if point is None else point, width)
            torch.testing.assert_close(ours, truth, atol=tolerance, rtol=tolerance)
            assert (ours > 0.002).all()
            assert (ours < 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_the_parameters_the_point_and_the_area(name, double):
    build, parameters, _ = cases()[name]
    point = (in_image(build(*parameters)).mean.detach() + 5).requires_grad_()
    area = torch.tensor(AREA).requires_grad_()

    def value(point, area, *parameters):
        return expected_oks(in_image(build(*parameters)), area, SIGMAS, point)

    ours = torch.autograd.grad(value(point, area, *parameters).sum(), (point, area, *parameters))
    for n, (tensor, gradient) in enumerate(zip((point, area, *parameters), ours, strict=True)):
        # One random direction says as much as all axes, and takes two evaluations.
        direction = torch.randn_like(tensor)
        small = 1e-5 * max(1.0, tensor.detach().abs().max().item())
        ends = []
        for sign in (1, -1):
            moved = [t.detach().clone() for t in (point, area, *parameters)]
            moved[n] += sign * small * direction
            with torch.no_grad():
                ends.append(value(*moved).sum())
        slope = (ends[0] - ends[1]) / (2 * small)
        along = (gradient * direction).sum()
        # The cells of an energy's grid follow its parameters, which moves the rule's small error as well.
        assert along.item() == pytest.approx(slope.item(), rel=2e-2 if name == "Energy" else 1e-5, abs=1e-7), n
        assert gradient.abs().sum() > 0


def test_densities_of_scipy(double):
    """The correlated and the heavy-tailed: sums over scipy's own densities."""
    loc, factor = torch.tensor([[1.0, -2.0]]), torch.tensor([[[2.0, 0.0], [-1.5, 1.0]]])
    point, area, sigma = torch.tensor([[0.0, -1.0]]), 100.0, (0.125,)
    axis = torch.linspace(-20, 20, 401)
    y = torch.cartesian_prod(axis, axis)
    kernel = torch.exp(-(y - point).square().sum(-1) / (2 * 2.5**2)) * 0.1**2
    wide = factor @ factor.mT
    for law, reference in (
        (FullGaussian(loc, factor), stats.multivariate_normal([1, -2], wide[0].numpy())),
        (
            StudentT(loc, torch.tensor([[2.0, 1.0]]), torch.tensor([3.0])),
            stats.multivariate_t([1, -2], [[4, 0], [0, 1]], df=3),
        ),
    ):
        by_hand = (kernel * torch.from_numpy(reference.pdf(y.numpy()))).sum().item()
        assert expected_oks(law, area, sigma, point).item() == pytest.approx(by_hand, rel=1e-5)


def test_a_flow_that_learns_gets_its_gradient(double):
    law = flow_law(StandardLaplace()).train()
    loc, scale, point = torch.zeros(1, 2), torch.full((1, 2), 3.0), torch.tensor([[1.0, -0.5]])
    weight = law.flow.biases[-1]

    def value():
        return expected_oks(Flow(loc, scale, law), 100.0, (0.1,), point).sum()

    (gradient,) = torch.autograd.grad(value(), weight)
    direction = torch.randn_like(weight)
    ends = []
    with torch.no_grad():
        for step in (1e-3, -2e-3):
            weight += step * direction
            ends.append(value().item())
    assert (gradient * direction).sum().item() == pytest.approx((ends[0] - ends[1]) / 2e-3, rel=0.05)
    # In eval mode the points are stored constants: still a value, no gradient, and the flow does not run.
    assert not expected_oks(Flow(loc, scale, law.eval()), 100.0, (0.1,), point).requires_grad


def test_the_whole_poses_kernel_is_its_marginals(double):
    pose = PoseGaussianMixture(leaf(B, 4), leaf(B, 4, K, 2), leaf(B, 4, K, 2, low=0.05, high=0.15))
    width = torch.full((B, K, 2), 0.1)
    kernel = distributions.GaussianKernel(pose.mode, width)
    area = (0.1 / 2 / 0.5) ** 2  # l = 2 sigma sqrt(area) = 0.1
    torch.testing.assert_close(pose.expectation(kernel), expected_oks(pose.marginals(), area, [0.5] * K))


def test_far_and_tiny_scales_stay_finite_in_single_precision():
    """A Laplace law a thousandth and a thousand times as wide as the kernel, answered by its mode and far away."""
    loc, scale = torch.zeros(2, 2), torch.tensor([[1e-3] * 2, [1e3] * 2]).requires_grad_()
    for bias in (0.0, 200.0):
        value = expected_oks(Laplace(loc, scale), 1.0, (0.5, 0.5), loc + bias)
        (gradient,) = torch.autograd.grad(value.sum(), scale)
        assert gradient.isfinite().all()
        # Kernel of width 1: all of it inside the narrow law, or volume times height, 2 pi / (2 s)^2 exp(-2 b / s).
        wide = 2 * math.pi / 4e6 * math.exp(-2 * bias / 1e3)
        assert value.tolist() == pytest.approx([float(bias == 0), wide], rel=3e-3, abs=1e-12)
