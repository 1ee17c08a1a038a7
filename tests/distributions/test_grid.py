"""Densities on cells against numpy, scipy and sums done by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from poserior.distributions import GaussianKernel, Grid, Plateau, ProductGrid

pytestmark = pytest.mark.usefixtures("double")
SHARE = 0.1  # large, so that the part outside the box counts in every comparison


def grid(dim=2, batch=(2, 3), share=SHARE, **options):
    return Grid(2 * torch.randn(*batch, *[4, 5, 7][-dim:]), dim, outside_share=share, **options)


def product(dim=2, batch=(2, 3), share=SHARE, **options):
    return ProductGrid([2 * torch.randn(*batch, n) for n in [7, 5, 4][:dim]], outside_share=share, **options)


@pytest.fixture(
    params=[(make, dim) for make in (grid, product) for dim in (1, 2, 3)],
    ids=lambda case: f"{case[0].__name__}-{case[1]}d",
)
def law(request):
    make, dim = request.param
    return make(dim).affine(torch.tensor([2.0, -0.5, 3.0][:dim]), torch.tensor([0.3, 1.0, -2.0][:dim]))


def brute_force(d, function, fine=3, far=2.5, step=0.1):
    """Integral of function(y) p(y): middles of each cell's parts, and of strips of the box's surroundings."""
    places, widths = [], []
    for n in d.shape:
        left = torch.arange(-far, -step / 2, step)
        edges = torch.cat([left, torch.arange(n * fine + 1) / (n * fine), 1 - left.flip(0)]) * n
        places.append((edges[1:] + edges[:-1]) / 2)
        widths.append(edges.diff())
    middles, volume = torch.cartesian_prod(*places), torch.cartesian_prod(*widths).prod(-1)
    y = d.origin + d.size * middles[:, None]
    mass = d.log_prob(y).exp() * volume[:, None] * d.size.abs().prod(-1)
    return torch.einsum("mb,mb...->b...", mass, function(y))


@pytest.mark.parametrize("make", [grid, product])
def test_the_whole_plane_integrates_to_one_with_the_stated_moments(make):
    d = make(2, batch=(2,)).affine(torch.tensor([2.0, -0.5]), torch.tensor([0.3, 1.0]))
    torch.testing.assert_close(brute_force(d, lambda y: torch.ones_like(y[..., 0])), torch.ones(2), rtol=2e-3, atol=0)
    mean = brute_force(d, lambda y: y)
    torch.testing.assert_close(mean, d.mean, rtol=0, atol=2e-3)
    covariance = brute_force(d, lambda y: (y - mean)[..., :, None] * (y - mean)[..., None, :])
    torch.testing.assert_close(covariance, d.covariance, rtol=1e-2, atol=1e-3)


def test_one_axis_against_scipy_quadrature():
    d = grid(1, batch=(1,))
    mass = torch.softmax(d.flat_log_mass[0], -1).numpy()

    def density(y):
        # By hand: seven cells over [-0.5, 0.5]; the plateau has height 1 / 1.5 and decays per quarter of the box.
        flat = SHARE / 1.5 * math.exp(-max(abs(y) - 0.5, 0) / 0.25)
        inside = (1 - SHARE) * mass[min(int((y + 0.5) * 7), 6)] * 7 if abs(y) < 0.5 else 0.0
        return flat + inside

    for y in (-1e3, -0.7, -0.49, -0.2, 0.1, 0.45, 0.52, 4.0):
        expected = math.log(density(y)) if abs(y) < 10 else math.log(SHARE / 1.5) - (abs(y) - 0.5) / 0.25
        assert d.log_prob(torch.tensor([[y]])).item() == pytest.approx(expected)
    center, width = 0.31, 0.2
    marks = [-9, -0.5, *(np.arange(1, 7) / 7 - 0.5), 0.5, 9]

    def integral(function):
        parts = pairwise(marks)
        return sum(integrate.quad(lambda y: density(y) * function(y), a + 1e-12, b - 1e-12)[0] for a, b in parts)

    kernel = GaussianKernel(torch.tensor([[center]]), torch.tensor([[width]]))
    assert d.expectation(kernel).item() == pytest.approx(
        integral(lambda y: math.exp(-((y - center) ** 2) / (2 * width**2))), rel=1e-6
    )
    mean = integral(lambda y: y)
    assert d.mean.item() == pytest.approx(mean, abs=1e-8)
    assert d.covariance.item() == pytest.approx(integral(lambda y: (y - mean) ** 2), rel=1e-6)


@pytest.mark.parametrize("width", [0.02, 0.3, 5.0])
def test_kernel_expectation_is_the_sum_over_fine_midpoints(law, width):
    """Inside the box by brute force; what the law has outside is the plateau's alone."""
    d = type(law).__getitem__(law, (slice(None), slice(1, 2)))
    dim = len(d.shape)
    fine = {1: 400, 2: 40, 3: 14}[dim]
    kernel = GaussianKernel(d.mode + 0.3 * d.size.abs(), width * (d.size * d.counts).abs() + 0.3 * d.size.abs())
    axes = [(torch.arange(n * fine) + 0.5) / fine for n in d.shape]
    places = torch.cartesian_prod(*axes).reshape(-1, 1, 1, dim)
    y = d.origin + d.size * places
    cell = d.size.abs().prod(-1) / fine**dim
    plateau = d.plateau
    only_cells = d.log_prob(y).exp() - SHARE * plateau.log_prob(y).exp()
    expected = (only_cells * kernel(y)).sum(0) * cell + SHARE * plateau.expectation(kernel)
    torch.testing.assert_close(d.expectation(kernel), expected, rtol=3e-3, atol=1e-6)
    torch.testing.assert_close(d.expectation(kernel), d.expectation(kernel.__call__), rtol=0, atol=0.03)


def test_kernel_expectation_takes_several_points_at_once():
    for d in (grid(3), product(3)):
        centers = torch.randn(6, 2, 3, 3)
        width = torch.full((2, 3, 3), 0.4)
        together = d.expectation(GaussianKernel(centers, width.expand(6, 2, 3, 3)))
        one = d.expectation(GaussianKernel(centers[4], width))
        torch.testing.assert_close(together[4], one)


def test_plateau_is_flat_then_exponential():
    """Against scipy: uniform inside, a shifted exponential outside."""
    d = Plateau(torch.tensor([[0.5]]), torch.tensor([[2.0]]), tail=0.5)
    inside, outside = 2 / 3, 1 / 3
    for y in (-9.0, -1.6, -1.4, 0.4, 2.4, 2.6, 30.0):
        excess = abs(y - 0.5) - 2
        expected = math.log(inside / 4) if excess < 0 else stats.expon.logpdf(excess) + math.log(outside / 2)
        assert d.log_prob(torch.tensor([[y]])).item() == pytest.approx(expected)
    draws = d.sample((40_000,))[:, 0, 0]
    assert (draws - 0.5).abs().lt(2).double().mean().item() == pytest.approx(inside, abs=0.01)
    assert draws.mean().item() == pytest.approx(0.5, abs=0.04)
    assert draws.var().item() == pytest.approx(d.covariance.item(), rel=0.05)
    levels = d.credible_level(draws[:, None, None])[:, 0]
    assert stats.kstest(levels.numpy(), "uniform").pvalue > 1e-3
    kernel = GaussianKernel(torch.tensor([[2.0]]), torch.tensor([[0.7]]))
    values = np.exp(-((draws.numpy() - 2.0) ** 2) / (2 * 0.49))
    assert d.expectation(kernel).item() == pytest.approx(values.mean(), abs=4 * values.std() / 200)


def test_levels_of_draws_are_uniform_even_with_one_heavy_cell_and_ties():
    logits = torch.full((1, 3, 4), 1.0)
    logits[0, 1, 2] = 3.0
    for d in (Grid(logits, outside_share=0.3), ProductGrid([logits[:, 1], logits[:, :, 2]], outside_share=0.3)):
        moved = d.affine(torch.tensor([-3.0, 2.0]), torch.tensor([1.0, 0.0]))
        levels = moved.credible_level(moved.sample((20_000,)))[:, 0]
        assert stats.kstest(levels.numpy(), "uniform").pvalue > 1e-3
        assert moved.credible_level(moved.mode).item() == 0


def test_levels_by_counting_denser_cells():
    """Without ties: the level of a cell's centre is the mass of the denser cells, by a plain numpy sort."""
    d = grid(2, batch=(1,), share=1e-12)
    mass = np.exp(d.log_mass[0].numpy())
    for row, column in [(0, 0), (2, 5), (4, 6)]:
        y = torch.tensor([[(column + 0.5) / 7 - 0.5, (row + 0.5) / 5 - 0.5]])
        expected = mass[mass > mass[row, column]].sum()
        assert d.credible_level(y).item() == pytest.approx(expected, abs=1e-9)


def test_product_is_the_grid_of_its_outer_product():
    d = product(3)
    a, b, c = d.log_masses
    dense = Grid(c[..., :, None, None] + b[..., None, :, None] + a[..., None, None, :], 3, outside_share=SHARE)
    y = 1.5 * (torch.rand(50, 2, 3, 3) - 0.5)
    torch.testing.assert_close(d.log_prob(y), dense.log_prob(y))
    torch.testing.assert_close(d.credible_level(y), dense.credible_level(y))
    for name in ("mode", "mean", "covariance"):
        torch.testing.assert_close(getattr(d, name), getattr(dense, name))
    kernel = GaussianKernel(y[0], 0.1 + torch.rand(2, 3, 3))
    torch.testing.assert_close(d.expectation(kernel), dense.expectation(kernel))


def test_answer_stays_in_the_densest_cell_and_moves_with_the_law():
    offset = torch.tensor([0.9, -3.0])
    d = Grid(
        torch.tensor([[0.0, 1.0, 0.0], [0.0, 5.0, 0.0]]),
        origin=torch.tensor([10.0, 20.0]),
        size=torch.tensor([2.0, 4.0]),
        offset=offset,
    )
    torch.testing.assert_close(d.mode, torch.tensor([10 + 2 * 1.9, 20 + 4 * 1.001]))
    moved = d.affine(torch.tensor([-1.0, 0.5]), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(moved.mode, torch.tensor([-13.8, 1 + 0.5 * 24.004]))
    assert moved.log_prob(moved.mode).item() == pytest.approx(d.log_prob(d.mode).item() + math.log(2))


def test_points_far_away_are_finite_in_float32():
    for d in (grid(3), product(3)):
        single = (
            Grid(d.log_mass.float() * 100, 3)
            if isinstance(d, Grid)
            else ProductGrid([100 * part.float() for part in d.log_masses])
        )
        for away in (0.0, 0.5, 1.0, 1e4, 1e8):
            value = torch.full((2, 3, 3), away, dtype=torch.float32, requires_grad=True)
            log_prob = single.log_prob(value)
            (gradient,) = torch.autograd.grad(log_prob.sum(), value)
            assert log_prob.dtype == torch.float32
            assert log_prob.isfinite().all()
            assert gradient.isfinite().all()
            assert (single.credible_level(value) <= 1 + 1e-6).all()
