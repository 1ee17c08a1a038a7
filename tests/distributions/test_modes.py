"""The several peaks of mixtures."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior.distributions import (
    Gaussian,
    GaussianMixture,
    Laplace,
    Mixture,
    PoseGaussianMixture,
    Recalibrated,
    separate_modes,
)

pytestmark = pytest.mark.usefixtures("double")


def laws(gap, scale=1.0):
    """Two keypoints; only the second one's halves lie `gap` apart."""
    left = torch.tensor([[[3.0, 4.0], [-gap / 2, 1.0]]])
    right = torch.tensor([[[3.0, 4.0], [gap / 2, 1.0]]])
    return [Gaussian(at, torch.full((1, 2, 2), scale)) for at in (left, right)]


def test_one_law_has_one_mode():
    assert separate_modes(laws(0.0)[0]) is None
    assert separate_modes(Laplace(torch.zeros(2, 3, 2), torch.ones(2, 3, 2))) is None


def test_halves_of_a_flip_test_that_disagree_are_two_modes():
    points, weights = separate_modes(Mixture(laws(6.0)))
    assert weights.tolist() == [[[1.0, 0.0], [0.5, 0.5]]]
    assert points[0, 0].tolist() == [[3.0, 4.0], [0.0, 0.0]]
    assert points[0, 1].tolist() == [[-3.0, 1.0], [3.0, 1.0]]


@pytest.mark.parametrize("gap", [0.0, 1.0, 1.99])
def test_halves_that_share_a_peak_are_one_mode(gap):
    assert separate_modes(Mixture(laws(gap))) is None
    assert separate_modes(Mixture(laws(10 * gap, scale=10.0))) is None


def test_the_narrow_and_the_wide_are_judged_by_their_mean_covariance():
    """Variances 1 and 9 have mean 5: 2 sqrt(5) = 4.47 apart is the limit."""
    for gap, apart in ((4.4, False), (4.5, True)):
        law = GaussianMixture(torch.zeros(2), torch.tensor([[0.0], [gap]]), torch.tensor([1.0, 3.0])[:, None, None])
        assert (separate_modes(law) is not None) == apart


def test_mixtures_in_mixtures_share_their_weights():
    inner = GaussianMixture(torch.tensor([[0.9, 0.1]]).log(), torch.tensor([[[0.0], [20.0]]]), torch.ones(1, 2, 1, 1))
    other = GaussianMixture(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[[0.0], [40.0]]]), torch.ones(1, 2, 1, 1))
    points, weights = separate_modes(Mixture([inner, other], torch.tensor([0.6, 0.4])))
    torch.testing.assert_close(weights, torch.tensor([[0.6 * 0.9 + 0.4 * 0.5, 0.4 * 0.5, 0.6 * 0.1]]))
    torch.testing.assert_close(points[..., 0], torch.tensor([[0.0, 40.0, 20.0]]))


def test_light_modes_are_left_out():
    law = GaussianMixture(
        torch.tensor([0.56, 0.36, 0.04, 0.04]).log(), torch.tensor([[0.0], [9.0], [30.0], [50.0]]), torch.ones(4, 1, 1)
    )
    torch.testing.assert_close(separate_modes(law)[1], torch.tensor([0.56, 0.36]))
    assert len(separate_modes(law, least=0.01)[0]) == 4
    assert separate_modes(law, least=0.5) is None


def test_recalibration_and_poses_keep_them():
    mixture = Mixture(laws(8.0))
    levels = torch.linspace(0, 1, 3).expand(1, 2, 3)
    for found, expected in zip(
        separate_modes(Recalibrated(mixture, levels, levels.square())), separate_modes(mixture), strict=True
    ):
        assert torch.equal(found, expected)
    pose = PoseGaussianMixture(
        torch.tensor([[0.3, 0.7]]).log(), torch.tensor([[[[0.0, 0.0], [1.0, 1.0]], [[0.0, 9.0], [1.0, 1.5]]]]),
        torch.ones(1, 2, 2, 2),
    )  # fmt: skip
    points, weights = separate_modes(pose.marginals())
    torch.testing.assert_close(weights, torch.tensor([[[0.7, 0.3], [1.0, 0.0]]]))
    torch.testing.assert_close(points[0, 0], torch.tensor([[0.0, 9.0], [0.0, 0.0]]))
    torch.testing.assert_close(points[0, 1, 0], torch.tensor([1.0, 0.3 * 1.0 + 0.7 * 1.5]))
    assert [part.shape for part in pose.parts()] == [(1, 2), (1, 2, 2, 2), (1, 2, 4, 4)]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_what_holds_for_all(seed, count):
    draw = torch.Generator().manual_seed(seed)
    logits, loc = torch.randn(3, 5, count, generator=draw), 3 * torch.randn(3, 5, count, 2, generator=draw)
    factor = torch.randn(3, 5, count, 2, 2, generator=draw).tril() + 2 * torch.eye(2)
    law = GaussianMixture(logits, loc, factor)
    found = separate_modes(law)
    if found is None:
        return
    points, weights = found
    assert bool((weights[..., 1:] <= weights[..., :-1]).all())
    assert bool(((weights >= 0.05) | (weights == 0)).all())
    assert bool((weights.sum(-1) <= 1 + 1e-9).all())
    moved = separate_modes(law.affine(torch.tensor([-20.0, 30.0]), torch.tensor([5.0, 7.0])))
    torch.testing.assert_close(moved[1], weights)
    expected = points * torch.tensor([-20.0, 30.0]) + torch.tensor([5.0, 7.0])
    torch.testing.assert_close(moved[0], torch.where(weights[..., None] > 0, expected, 0.0))
    some = separate_modes(law[[2, 0]][:, [4, 1, 0]])
    if some is not None:
        torch.testing.assert_close(some[1], weights[[2, 0]][:, [4, 1, 0], : some[1].shape[-1]])
