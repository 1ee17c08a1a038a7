"""The full Gaussian against torch and scipy."""

import numpy as np
import pytest
import torch
from scipy import stats

from poserior.distributions import FullGaussian, Gaussian, GaussianKernel
from poserior.distributions.small_matrices import cholesky, precision, solve_lower, solve_positive

pytestmark = pytest.mark.usefixtures("double")


def factor(*shape):
    dim = shape[-1]
    return torch.tril(torch.randn(*shape, dim), -1) + torch.diag_embed(0.3 + torch.rand(*shape))


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_small_matrices_against_torch(dim):
    lower, value = factor(5, dim), torch.randn(7, 5, dim)
    matrix = lower @ lower.mT
    torch.testing.assert_close(cholesky(matrix), torch.linalg.cholesky(matrix))
    torch.testing.assert_close(precision(lower), torch.linalg.inv(matrix))
    torch.testing.assert_close(solve_positive(matrix, value), torch.linalg.solve(matrix, value[..., None])[..., 0])
    solved = torch.linalg.solve_triangular(lower, value[..., None], upper=False)[..., 0]
    torch.testing.assert_close(solve_lower(lower, value), solved)


@pytest.mark.parametrize("dim", [2, 3])
def test_density_and_moments_against_torch(dim):
    loc, lower, y = torch.randn(4, 3, dim), factor(4, 3, dim), torch.randn(5, 4, 3, dim)
    d = FullGaussian(loc, lower)
    reference = torch.distributions.MultivariateNormal(loc, scale_tril=lower)
    torch.testing.assert_close(d.log_prob(y), reference.log_prob(y))
    torch.testing.assert_close(d.covariance, reference.covariance_matrix)
    torch.testing.assert_close(d.mean, loc)
    torch.testing.assert_close(d[1:, [2, 0]].log_prob(y[:, 1:, [2, 0]]), d.log_prob(y)[:, 1:, [2, 0]])


def test_level_against_scipy():
    d, y = FullGaussian(torch.zeros(3), factor(3)), torch.randn(6, 3)
    white = np.linalg.solve(d.scale_tril.numpy(), y.numpy().T)
    np.testing.assert_allclose(d.credible_level(y), stats.chi2.cdf((white**2).sum(0), 3))


@pytest.mark.parametrize("dim", [2, 3])
def test_kernel_expectation_is_a_product_of_two_gaussians(dim):
    """``E[k] = prod(sqrt(2 pi) width) N(center; loc, covariance + diag(width^2))``."""
    d, center, width = FullGaussian(torch.randn(5, dim), factor(5, dim)), torch.randn(5, dim), 0.2 + torch.rand(5, dim)
    for i in range(5):
        total = d.covariance[i] + torch.diag(width[i] ** 2)
        density = stats.multivariate_normal.pdf(center[i].numpy(), d.loc[i].numpy(), total.numpy())
        expected = density * (np.sqrt(2 * np.pi) * width[i].numpy()).prod()
        np.testing.assert_allclose(d.expectation(GaussianKernel(center, width))[i].item(), expected)


def test_without_correlation_it_is_the_gaussian():
    loc, scale, y = torch.randn(4, 3), 0.1 + torch.rand(4, 3), torch.randn(4, 3)
    full, plain = FullGaussian(loc, torch.diag_embed(scale)), Gaussian(loc, scale)
    torch.testing.assert_close(full.log_prob(y), plain.log_prob(y))
    kernel = GaussianKernel(y, scale + 1)
    torch.testing.assert_close(full.expectation(kernel), plain.expectation(kernel))
    torch.testing.assert_close(full.nodes(32)[0], plain.nodes(32)[0])
