import math

import pytest
import scipy.stats
import torch

from poserior.analyses import joint_errors
from poserior.analyses.errors import Errors
from poserior.analyses.flow import by_joint
from poserior.analyses.kernel import KernelDensity
from poserior.errors import InputError

PEOPLE = 600


def errors(known, u):
    """u (people, K, 2) as if a model had collected them, with log_std 0."""
    people, joints = u.shape[:2]
    flat = u.flatten(0, 1)
    log_prob = (-0.5 * flat.square() - 0.5 * math.log(2 * math.pi)).sum(-1)
    joint = torch.arange(joints).repeat(people)
    return Errors(flat, joint, torch.arange(people).repeat_interleave(joints), torch.zeros(len(flat)), log_prob, [])


def test_one_law_for_all_wins_nothing(known):
    result = by_joint(errors(known, torch.randn(PEOPLE, 3, 2)), known.HANDS)
    for gain, error in result.mean_gains.values():
        assert abs(gain) < 0.02
        assert 0 < error < 0.02
    assert result.own_gain.abs().max() < 0.05
    # a refitted law costs little against the true one
    torch.testing.assert_close(result.shared_nll, result.nll, atol=0.06, rtol=0)


def test_a_moved_joint_is_found(known):
    u = torch.randn(PEOPLE, 3, 2)
    u[:, 1] = 0.5 * u[:, 1] + torch.tensor([2.0, 0.0])
    result = by_joint(errors(known, u), known.HANDS)
    assert result.moved_gain[1] > 0.5
    assert result.moved_gain[1] > 10 * result.moved_gain_error[1]
    assert result.mean[1].tolist() == pytest.approx([2.0, 0.0], abs=0.1)
    assert result.std[1].tolist() == pytest.approx([0.5, 0.5], abs=0.05)
    assert result.count.tolist() == [PEOPLE] * 3


def test_a_joint_of_another_shape_needs_a_law_of_its_own(known):
    """The third joint's errors lie on two sides, as left and right confused do; moving a law cannot say that."""
    u = 0.5 * torch.randn(PEOPLE, 3, 2)
    sides = torch.where(torch.rand(PEOPLE) < 0.5, -2.0, 2.0)
    u[:, 2, 0] = 0.3 * u[:, 2, 0] + sides
    result = by_joint(errors(known, u), known.HANDS)
    assert result.own_gain[2] > result.moved_gain[2] + 0.5
    assert result.own_gain[0] > -0.05


def test_moments_against_scipy(known):
    u = torch.randn(PEOPLE, 3, 2).exp()
    result = by_joint(errors(known, u), known.HANDS)
    mine = u[:, 1].numpy()
    assert result.skew[1].tolist() == pytest.approx(scipy.stats.skew(mine), rel=1e-3)
    assert result.kurtosis[1].tolist() == pytest.approx(scipy.stats.kurtosis(mine), rel=1e-3)


def test_a_model_is_measured(known):
    sides = torch.tensor([known.WIDTH, known.HEIGHT])
    model = known.model(
        lambda pictures: (
            known.normalised(known.POINTS).expand(len(pictures), 3, 2),
            (2 / sides).expand(len(pictures), 3, 2),
        )
    )
    offsets = torch.randn(30, 3, 2)
    data = known.Same(30, lambda index: {"keypoints": known.POINTS + 2 * offsets[index]})
    result = joint_errors(model, known.spec, data, progress=False)
    torch.testing.assert_close(result.errors.reshape(30, 3, 2), offsets, atol=1e-4, rtol=1e-4)


def test_two_halves_are_needed(known):
    with pytest.raises(InputError, match="two people"):
        by_joint(errors(known, torch.randn(1, 3, 2)), known.HANDS)


def test_kernel_density_is_one():
    law = KernelDensity(torch.randn(200, 2) * torch.tensor([1.0, 2.0]) + 3)
    axis = (torch.arange(240) + 0.5) / 240 * 60 - 27
    points = torch.cartesian_prod(axis, axis)
    # what is missing is the tail's share beyond 30: 0.02 (1 + 30^2 / (3 s^2))^(-3/2)
    assert float(law.log_prob(points).exp().sum()) * 0.25**2 == pytest.approx(1.0, abs=2e-3)


def test_kernel_density_comes_near_the_law():
    law = KernelDensity(torch.randn(1500, 2))
    fresh = torch.randn(1500, 2)
    exact = (-0.5 * fresh.square()).sum(-1) - math.log(2 * math.pi)
    assert float((law.log_prob(fresh) - exact).mean()) == pytest.approx(0, abs=0.05)
    assert float((law.left_out - law.log_prob(law.centres)).mean()) < 0  # leaving a point out makes it less likely
