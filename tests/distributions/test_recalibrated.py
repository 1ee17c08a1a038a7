"""A density with mapped levels against sums over a grid, hand-worked numbers and its own samples."""

import pytest
import torch

from poserior.distributions import (
    Flow,
    FlowLaw,
    Gaussian,
    GaussianKernel,
    GaussianMixture,
    Grid,
    Laplace,
    Mixture,
    RealNVP,
    Recalibrated,
)

pytestmark = pytest.mark.usefixtures("double")

B, K = 2, 3
LEVELS = torch.tensor([[0, 0.2, 0.5, 0.8, 1], [0, 0.1, 0.3, 0.9, 1], [0, 0.25, 0.5, 0.75, 1]], dtype=torch.float64)
CONCAVE = torch.tensor([[0, 0.4, 0.8, 0.95, 1], [0, 0.3, 0.6, 0.95, 1], [0, 0.25, 0.5, 0.75, 1]], dtype=torch.float64)
CONVEX = torch.tensor([[0, 0.1, 0.3, 0.6, 1], [0, 0.05, 0.2, 0.8, 1], [0, 0.2, 0.42, 0.68, 1]], dtype=torch.float64)


def gaussian():
    return Gaussian(0.1 * torch.randn(B, K, 2), 0.05 + 0.1 * torch.rand(B, K, 2))


def mixture():
    return Mixture([gaussian(), Laplace(0.1 * torch.randn(B, K, 2), 0.05 + 0.1 * torch.rand(B, K, 2))])


def flipped_flow():
    law = FlowLaw(RealNVP(2)).eval()
    return Mixture([Flow(0.1 * torch.randn(B, K, 2), 0.05 + 0.1 * torch.rand(B, K, 2), law) for _ in range(2)])


def grid():
    axis = torch.linspace(-1, 1, 8)
    away = (axis[:, None].square() + axis.square())[None, None] * (2 + 2 * torch.rand(B, K, 1, 1))
    return Grid(-away + 0.3 * torch.randn(B, K, 8, 8))


def gaussian_mixture():
    loc, tril = 0.1 * torch.randn(B, K, 2, 2), torch.diag_embed(0.06 + 0.1 * torch.rand(B, K, 2, 2))
    return GaussianMixture(torch.randn(B, K, 2), loc, tril)


BASES = [gaussian, mixture, flipped_flow, grid, gaussian_mixture]


def window(steps, half):
    """Midpoints ``(N, 1, 1, 2)`` of a square about the origin and a cell's area."""
    axis = (torch.arange(steps) + 0.5) / steps * 2 * half - half
    points = torch.cartesian_prod(axis, axis)[:, None, None].expand(-1, B, K, 2)
    return points, (2 * half / steps) ** 2


@pytest.mark.parametrize("mass", [CONCAVE, CONVEX], ids=["concave", "convex"])
@pytest.mark.parametrize("base", BASES)
def test_it_integrates_to_one_and_its_regions_hold_what_they_say(base, mass):
    d = Recalibrated(base(), LEVELS, mass)
    exact = base in (gaussian, grid)  # levels of mixtures come from 256 nodes, and err by up to some 0.03
    points, area = window(*{flipped_flow: (90, 1.0), grid: (400, 0.52)}.get(base, (200, 1.0)))
    density = d.log_prob(points).exp() * area
    torch.testing.assert_close(density.sum(0), torch.ones(B, K), atol=0.01 if exact else 0.05, rtol=0)
    levels = d.credible_level(points)
    for level in (0.3, 0.7, 0.9):
        held = (density * (levels <= level)).sum(0)
        torch.testing.assert_close(held, torch.full((B, K), level), atol=0.01 if exact else 0.05, rtol=0)
    mean = (density[..., None] * points).sum(0)
    away = points - mean
    covariance = (density[..., None, None] * away[..., :, None] * away[..., None, :]).sum(0)
    spread = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((d.mean - mean).abs() / spread).amax() < (0.03 if exact else 0.09)
    torch.testing.assert_close(d.variance.sqrt() / spread, torch.ones(B, K, 2), atol=0.06, rtol=0)
    kernel = GaussianKernel(d.mode + 0.02, torch.full((B, K, 2), 0.1))
    expected = (density * kernel(points)).sum(0)
    torch.testing.assert_close(d.expectation(kernel), expected, atol=0.04, rtol=0)
    torch.testing.assert_close(d.expectation(kernel.__call__), expected, atol=0.04, rtol=0)


@pytest.mark.parametrize("mass", [CONCAVE, CONVEX], ids=["concave", "convex"])
@pytest.mark.parametrize("base", [gaussian, mixture, grid])
def test_samples_follow_it(base, mass):
    d = Recalibrated(base(), LEVELS, mass)
    draws = d.sample((3, 1000))
    assert draws.shape == (3, 1000, B, K, 2)
    levels = d.base.credible_level(draws).flatten(0, 1)
    for knot in range(1, 4):
        share = (levels <= LEVELS[:, knot]).double().mean(0)  # standard error below 0.01
        torch.testing.assert_close(share, mass[:, knot].expand(B, K), atol=0.045, rtol=0)
    assert (draws.flatten(0, 1).unique(dim=0).shape[0]) == 3000


def test_log_density_is_the_base_plus_the_log_slope_by_hand():
    base = Gaussian(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    d = Recalibrated(base, torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.9, 1.0]))
    near, far = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[1.5, 1.0]]])  # levels 1 - exp(-r^2 / 2): 0.221, 0.803
    torch.testing.assert_close(d.log_prob(near), base.log_prob(near) + torch.tensor(1.8).log())
    torch.testing.assert_close(d.log_prob(far), base.log_prob(far) + torch.tensor(0.2).log())
    level = 1 - torch.exp(torch.tensor(-1.625))
    torch.testing.assert_close(d.credible_level(far)[0, 0], 0.9 + 0.2 * (level - 0.5))
    torch.testing.assert_close(d.credible_level(d.mode), torch.zeros(1, 1))


@pytest.mark.parametrize("base", BASES)
def test_the_identity_changes_nothing(base):
    law, even = base(), torch.linspace(0, 1, 6)
    d = Recalibrated(law, even, even)
    points = law.sample((50,))
    kernel = GaussianKernel(law.mean, torch.full((B, K, 2), 0.07))
    torch.testing.assert_close(d.log_prob(points), law.log_prob(points))
    torch.testing.assert_close(d.credible_level(points), law.credible_level(points))
    torch.testing.assert_close(d.mean, law.mean)
    torch.testing.assert_close(d.expectation(kernel), law.expectation(kernel))


@pytest.mark.parametrize("base", [gaussian, flipped_flow, grid])
def test_a_concave_map_keeps_the_mode_and_the_order(base):
    d = Recalibrated(base(), LEVELS, CONCAVE)
    assert torch.equal(d.mode, d.base.mode)
    assert (d.log_prob(d.mode) >= d.log_prob(d.base.sample((500,))) - 1e-3).all()


@pytest.mark.parametrize("base", BASES)
def test_affine_and_indexing(base):
    d = Recalibrated(base(), LEVELS, CONCAVE)
    points = d.sample((9,))
    scale, shift = torch.tensor([-2.0, 3.0]), torch.tensor([5.0, -1.0])
    moved = d.affine(scale, shift)
    torch.testing.assert_close(
        moved.log_prob(scale * points + shift), d.log_prob(points) - torch.tensor(6.0).log(), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(moved.mode, scale * d.mode + shift, atol=1e-3, rtol=0)
    mask = torch.tensor([[True, False, True], [False, True, False]])
    for index in (mask, (slice(None), [2, 0, 1]), (1, 2), (..., 1)):
        part = d[index]
        assert part.batch_shape == d.log_prob(points[0])[index].shape
        expected = torch.stack([d.log_prob(point)[index] for point in points])
        torch.testing.assert_close(part.log_prob(torch.stack([p[_with_event(index)] for p in points])), expected)


def _with_event(index):
    return (..., 1, slice(None)) if isinstance(index, tuple) and index[0] is Ellipsis else index


def test_a_kernel_that_no_node_feels_has_the_slope_at_its_centre():
    base = Gaussian(torch.zeros(1, 1, 2), torch.ones(1, 1, 2))
    d = Recalibrated(base, torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.9, 1.0]))
    kernel = GaussianKernel(torch.full((1, 1, 2), 9.0), torch.full((1, 1, 2), 0.1))
    torch.testing.assert_close(d.expectation(kernel), 0.2 * base.expectation(kernel))


def test_gradients_reach_the_base_and_are_finite():
    loc = torch.zeros(B, K, 2, requires_grad=True)
    Recalibrated(Gaussian(loc, torch.ones(B, K, 2)), LEVELS, CONCAVE).log_prob(torch.ones(B, K, 2)).sum().backward()
    torch.testing.assert_close(loc.grad, torch.ones(B, K, 2))
