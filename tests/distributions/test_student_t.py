"""Student's t against scipy and its own definition."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from poserior.distributions import Gaussian, GaussianKernel, StudentT

pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_density_against_scipy(dim):
    loc, scale, df = torch.randn(4, dim), 0.2 + torch.rand(4, dim), torch.tensor([0.7, 2.5, 7.0, 300.0])
    y = torch.randn(6, 4, dim)
    ours = StudentT(loc, scale, df).log_prob(y)
    for i in range(4):
        reference = stats.multivariate_t(loc[i].numpy(), np.diag(scale[i].numpy() ** 2), df[i].item())
        np.testing.assert_allclose(ours[:, i], reference.logpdf(y[:, i].numpy()).reshape(6))
    if dim == 1:
        reference = stats.t(df.numpy(), loc[:, 0].numpy(), scale[:, 0].numpy())
        np.testing.assert_allclose(ours, reference.logpdf(y[..., 0].numpy()))


def test_covariance():
    d = StudentT(torch.zeros(3, 2), torch.tensor([1.0, 2.0]).expand(3, 2), torch.tensor([1.5, 3.0, 6.0]))
    torch.testing.assert_close(d.variance, torch.tensor([[torch.inf, torch.inf], [3.0, 12.0], [1.5, 6.0]]))
    assert (d.covariance[..., 0, 1] == 0).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_level_is_the_f_law(dim):
    df = torch.tensor([2.1, 5.0, 40.0, 3000.0])
    for radius in (0.0, 0.1, 1.0, 4.0, 100.0):
        d, y = StudentT(torch.zeros(4, dim), torch.ones(4, dim), df), torch.zeros(4, dim)
        y[:, 0] = radius
        expected = stats.f.cdf(radius**2 / dim, dim, df.numpy())
        np.testing.assert_allclose(d.credible_level(y), expected, atol=1e-6)


@pytest.mark.parametrize("df", [2.1, 4.0, 100.0])
@pytest.mark.parametrize(("center", "width"), [(0.0, 0.1), (1.5, 0.7), (-6.0, 3.0)])
def test_kernel_expectation_is_the_integral(df, center, width):
    d = StudentT(torch.full((1, 1), 0.2), torch.full((1, 1), 0.5), torch.tensor([df]))

    def integrand(y):
        return stats.t.pdf(y, df, 0.2, 0.5) * np.exp(-((y - center) ** 2) / (2 * width**2))

    edges = np.sort([center - 12 * width, center, center + 12 * width, 0.2])
    expected = sum(integrate.quad(integrand, a, b, epsabs=1e-13)[0] for a, b in pairwise(edges))
    kernel = GaussianKernel(torch.full((1, 1), center), torch.full((1, 1), width))
    np.testing.assert_allclose(d.expectation(kernel).item(), expected, atol=2e-6)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_nodes_follow_the_law(dim):
    """Their weight within a radius is the level there, and they agree with the kernel's closed form."""
    d = StudentT(torch.randn(2, dim), 0.5 + torch.rand(2, dim), torch.tensor([2.5, 8.0]))
    points, weights = d.nodes(1024)
    torch.testing.assert_close(weights.sum(0), torch.ones(2))
    levels = d.credible_level(points)
    close = {"atol": 0.02 if dim == 1 else 0.01, "rtol": 0}  # on a line the weights are largest at the centre
    for nominal in (0.2, 0.5, 0.9):
        torch.testing.assert_close((weights * (levels <= nominal)).sum(0), torch.full((2,), nominal), **close)
    kernel = GaussianKernel(d.loc + 0.5, torch.ones(2, dim))
    torch.testing.assert_close((weights * kernel(points)).sum(0), d.expectation(kernel), **close)


def test_many_degrees_of_freedom_make_a_gaussian():
    loc, scale, y = torch.randn(3, 2), 0.5 + torch.rand(3, 2), torch.randn(3, 2)
    d, limit = StudentT(loc, scale, torch.full((3,), 1e6)), Gaussian(loc, scale)
    torch.testing.assert_close(d.log_prob(y), limit.log_prob(y), atol=1e-4, rtol=0)
    torch.testing.assert_close(d.credible_level(y), limit.credible_level(y), atol=1e-4, rtol=0)
