"""Whole-pose mixtures: exact marginals, coherent answers, and the same as one flat Gaussian mixture."""

import pytest
import torch

from poserior.distributions import Gaussian, GaussianKernel, GaussianMixture, PoseGaussianMixture

pytestmark = pytest.mark.usefixtures("double")
B, M, K, D = 5, 4, 3, 2


def poses(*batch, components=M):
    shape = (*batch, components, K, D)
    return PoseGaussianMixture(torch.randn(*batch, components), 0.3 * torch.randn(shape), 0.1 + 0.4 * torch.rand(shape))


def flat(d):
    return GaussianMixture(d.logits, d.loc.flatten(-2), torch.diag_embed(d.scale.flatten(-2)))


def test_it_is_a_gaussian_mixture_of_flattened_poses():
    d, y = poses(B), torch.randn(7, B, K, D)
    torch.testing.assert_close(d.log_prob(y), flat(d).log_prob(y.flatten(-2)))
    torch.testing.assert_close(d.mean.flatten(-2), flat(d).mean)
    torch.testing.assert_close(d.covariance, flat(d).covariance)
    torch.testing.assert_close(d.variance.flatten(-2), flat(d).variance)
    torch.testing.assert_close(d.dominant.flatten(-2), flat(d).dominant)
    torch.testing.assert_close(d.mode.flatten(-2), flat(d).mode, atol=1e-6, rtol=0)


def test_unobserved_keypoints_are_integrated_out():
    d, y = poses(B), torch.randn(B, K, D)
    observed = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]]) > 0
    y[~observed] = torch.nan
    found = d.log_prob(y, observed)
    for b in range(B):
        weights = d.weights[b]
        kept = observed[b].nonzero()[:, 0]
        parts = Gaussian(d.loc[b], d.scale[b]).log_prob(y[b])[:, kept].sum(-1).exp()
        torch.testing.assert_close(found[b], (weights * parts).sum().log())
    torch.testing.assert_close(found[4], torch.tensor(0.0))


def test_marginal_of_one_keypoint_is_the_numeric_integral():
    d = poses(1)
    y = torch.randn(1, K, D)
    seen = torch.tensor([[True, False, True]])
    axis = (torch.arange(160) + 0.5) / 160 * 8 - 4
    grid = torch.cartesian_prod(axis, axis)
    filled = y.expand(len(grid), 1, K, D).clone()
    filled[:, 0, 1] = grid
    total = d.log_prob(filled).exp().sum(0) * (8 / 160) ** 2
    torch.testing.assert_close(d.log_prob(y, seen).exp(), total, rtol=1e-4, atol=0)
    torch.testing.assert_close(d.select([0, 2]).log_prob(y[:, [0, 2]]), d.log_prob(y, seen))


def test_marginals_answer_with_one_pose():
    """Half the weight on a narrow pose A; B and C, broader, agree in keypoint 0: alone it would be answered there."""
    loc = torch.tensor([[[-1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 2.0]]])
    scale = torch.tensor([0.3, 0.31, 0.31])[:, None, None].expand(3, 2, 2)
    d = PoseGaussianMixture(torch.tensor([0.4, 0.3, 0.3]).log(), loc, scale)
    laws = d.marginals()
    torch.testing.assert_close(laws.mode, loc[0], atol=1e-3, rtol=0)
    own = GaussianMixture(laws.logits, laws.loc, laws.scale_tril).mode
    torch.testing.assert_close(own, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), atol=1e-2, rtol=0)


def test_marginals_move_and_index_with_their_poses():
    d = poses(B)
    laws, y = d.marginals(), torch.randn(B, K, D)
    assert laws.batch_shape == (B, K)
    assert laws.event_shape == (D,)
    scale, shift = torch.tensor([-2.0, 0.5]), torch.randn(B, 1, D)
    moved = laws.affine(scale, shift)
    torch.testing.assert_close(moved.mode, scale * d.mode + shift)
    torch.testing.assert_close(moved.pose.mode, moved.mode)
    torch.testing.assert_close(moved.pose.log_prob(scale * y + shift), d.log_prob(y) - K * scale.abs().log().sum())
    for index in (2, slice(1, 3), (slice(1, 4), [2, 0, 1]), (slice(None), slice(0, 2))):
        torch.testing.assert_close(laws[index].mode, d.mode[index])
        torch.testing.assert_close(laws[index].log_prob(y[index]), laws.log_prob(y)[index])
        torch.testing.assert_close(laws[index].pose.mean, d.mean[index])
    torn = torch.rand(B, K) < 0.5
    assert laws[torn].pose is None
    torch.testing.assert_close(laws[torn].affine(scale, shift[0]).mode, scale * d.mode[torn] + shift[0])
    one = laws[2][[1, 0]]
    torch.testing.assert_close(one.mode, d.mode[2][[1, 0]])
    torch.testing.assert_close(one.pose.mean, d.mean[2][[1, 0]])


def test_expectations_and_levels():
    d = poses(2, components=3)
    kernel = GaussianKernel(d.mean, torch.full((2, K, D), 0.4))
    draws = d.sample((20000,))
    torch.testing.assert_close(d.expectation(kernel), kernel(draws).mean(0), atol=0.01, rtol=0)
    torch.testing.assert_close(d.expectation(kernel.__call__), kernel(draws).mean(0), atol=0.02, rtol=0)
    centred = (draws - d.mean).flatten(-2)
    sampled = torch.einsum("nbi,nbj->bij", centred, centred) / len(draws)
    torch.testing.assert_close(d.covariance, sampled, atol=0.01, rtol=0)
    levels = d.credible_level(draws[:4000])
    torch.testing.assert_close((levels <= 0.5).double().mean(0), torch.full((2,), 0.5), atol=0.05, rtol=0)


def test_fused_poses_are_their_equal_mixture():
    first, second, y = poses(B), poses(B, components=2), torch.randn(B, K, D)
    expected = (first.log_prob(y).exp() + second.log_prob(y).exp()) / 2
    torch.testing.assert_close(PoseGaussianMixture.fused([first, second]).log_prob(y).exp(), expected)
