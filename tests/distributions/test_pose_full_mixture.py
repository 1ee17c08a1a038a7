"""Whole-pose mixtures with correlated axes: against scipy, and the special case of independent axes."""

import pytest
import torch
from scipy.stats import multivariate_normal

from poserior.distributions import GaussianKernel, PoseFullMixture, PoseGaussianMixture
from poserior.distributions.small_matrices import outer_square

pytestmark = pytest.mark.usefixtures("double")
B, M, K, D = 5, 4, 3, 2


def poses(*batch, components=M):
    shape = (*batch, components, K, D)
    factor = torch.diag_embed(0.2 + 0.4 * torch.rand(shape))
    factor[..., 1, 0] = 0.5 * torch.randn(shape[:-1])
    return PoseFullMixture(torch.randn(*batch, components), 0.5 * torch.randn(shape), factor)


def by_scipy(d, b, y, kept):
    """The density of keypoints `kept` of pose b, by the flattened pose's own Gaussians."""
    flat = [2 * k + axis for k in kept for axis in range(D)]
    weights, points, covariance = d.parts()
    total = 0.0
    for m in range(points.shape[-3]):
        law = multivariate_normal(points[b, m].flatten()[flat].numpy(), covariance[b, m][flat][:, flat].numpy())
        total += float(weights[b, m]) * law.pdf(y[b].flatten()[flat].numpy())
    return torch.tensor(total)


def test_density_and_its_marginals_are_scipys():
    d, y = poses(B), 0.5 * torch.randn(B, K, D)
    observed = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]]) > 0
    expected = [by_scipy(d, b, y, observed[b].nonzero()[:, 0].tolist()) for b in range(4)] + [torch.tensor(1.0)]
    y[~observed] = torch.nan
    torch.testing.assert_close(d.log_prob(y, observed), torch.stack(expected).log())


def test_component_covariances_are_of_each_keypoint():
    d = poses(B)
    covariance = d.parts()[2]
    each = outer_square(d.scale_tril)
    for k in range(K):
        block = slice(D * k, D * (k + 1))
        torch.testing.assert_close(covariance[..., block, block], each[..., k, :, :])
    assert (covariance[..., 0:2, 2:] == 0).all()


def test_moments_are_the_samples():
    d = poses(2, components=3)
    draws = d.sample((40000,)).flatten(-2)
    torch.testing.assert_close(draws.mean(0), d.mean.flatten(-2), atol=0.02, rtol=0)
    centred = draws - d.mean.flatten(-2)
    sampled = torch.einsum("nbi,nbj->bij", centred, centred) / len(draws)
    torch.testing.assert_close(d.covariance, sampled, atol=0.03, rtol=0)
    torch.testing.assert_close(d.variance.flatten(-2), d.covariance.diagonal(dim1=-2, dim2=-1))
    kernel = GaussianKernel(d.mean, torch.full((2, K, D), 0.4))
    torch.testing.assert_close(d.expectation(kernel), kernel(d.sample((40000,))).mean(0), atol=0.01, rtol=0)
    points, weights = d.nodes(2000)
    torch.testing.assert_close((weights[..., None, None] * points).sum(0), d.mean, atol=0.01, rtol=0)


def test_levels_are_uniform():
    d = poses(2, components=3)
    levels = d.credible_level(d.sample((4000,)))
    torch.testing.assert_close((levels <= 0.5).double().mean(0), torch.full((2,), 0.5), atol=0.05, rtol=0)


def test_mode_is_the_densest_pose():
    d = poses(B)
    assert (d.log_prob(d.mode) >= d.log_prob(d.loc.movedim(-3, 0)).amax(0) - 1e-9).all()
    assert (d.log_prob(d.mode) >= d.log_prob(d.mode + 1e-3 * torch.randn(200, B, K, D)).amax(0)).all()
    torch.testing.assert_close(d.dominant, d.loc[torch.arange(B), d.logits.argmax(-1)])


def test_without_correlation_it_is_the_mixture_of_independent_axes():
    plain = PoseGaussianMixture(torch.randn(B, M), torch.randn(B, M, K, D), 0.1 + torch.rand(B, M, K, D))
    full, y = PoseFullMixture(plain.logits, plain.loc, torch.diag_embed(plain.scale)), torch.randn(7, B, K, D)
    torch.testing.assert_close(full.log_prob(y), plain.log_prob(y))
    torch.testing.assert_close(full.mode, plain.mode)
    torch.testing.assert_close(full.covariance, plain.covariance)
    torch.testing.assert_close(full.marginals().log_prob(y), plain.marginals().log_prob(y))


def test_mirroring_turns_the_correlation():
    d, y = poses(B), torch.randn(B, K, D)
    mirror, shift = torch.tensor([-1.0, 1.0]), torch.randn(B, 1, D)
    moved = d.affine(mirror, shift)
    torch.testing.assert_close(moved.log_prob(mirror * y + shift), d.log_prob(y))
    torch.testing.assert_close(moved.covariance[:, 0, 1], -d.covariance[:, 0, 1])
    torch.testing.assert_close(moved.mode, mirror * d.mode + shift)
    torch.testing.assert_close(moved.affine(mirror, -mirror * shift).scale_tril, d.scale_tril)
    stretched = d.affine(torch.tensor([3.0, -0.5]), shift)
    torch.testing.assert_close(
        stretched.log_prob(torch.tensor([3.0, -0.5]) * y + shift), d.log_prob(y) - K * torch.tensor(1.5).log()
    )


def test_marginals_index_and_select():
    d, y = poses(B), torch.randn(B, K, D)
    laws = d.marginals()
    for index in (2, slice(1, 3), (slice(1, 4), [2, 0, 1]), [3, 1], torch.tensor([4, 0]), torch.rand(B) < 0.6):
        torch.testing.assert_close(laws[index].mode, d.mode[index])
        torch.testing.assert_close(laws[index].log_prob(y[index]), laws.log_prob(y)[index])
        torch.testing.assert_close(laws[index].pose.mean, d.mean[index])
    seen = torch.tensor([True, False, True]).expand(B, K)
    torch.testing.assert_close(d.select([0, 2]).log_prob(y[:, [0, 2]]), d.log_prob(y, seen))
    torch.testing.assert_close(laws.log_prob(y)[:, 1], d.log_prob(y, torch.tensor([False, True, False]).expand(B, K)))


def test_fused_poses_are_their_equal_mixture():
    first, y = poses(B), torch.randn(B, K, D)
    second = PoseGaussianMixture(torch.randn(B, 2), torch.randn(B, 2, K, D), 0.1 + torch.rand(B, 2, K, D))
    expected = (first.log_prob(y).exp() + second.log_prob(y).exp()) / 2
    torch.testing.assert_close(PoseFullMixture.fused([first, second]).log_prob(y).exp(), expected)
