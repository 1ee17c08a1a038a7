"""Bodies against the data set's own kinematics, the optimiser against closed forms, and fits against known poses."""

import numpy as np
import pytest
import torch

from poserior.body import FiguresBody, fit_body, guessed_camera, huber, pinhole, project, turn
from poserior.body.lbfgs import minimise
from poserior.body.robust import geman_mcclure, squared
from poserior.datasets.figures.body import pose_body, sample_shape
from poserior.datasets.figures.figure import keypoints
from poserior.datasets.figures.poses import sample_motion
from poserior.errors import InputError

BODY = FiguresBody()


def person(seed):
    rng = np.random.default_rng(seed)
    shape, angles = sample_shape(rng), sample_motion(rng).at(0.0)
    return shape, angles, pose_body(shape, angles, float(rng.uniform(-3, 3)))


def views():
    """In front of and beside the origin, four metres off."""
    front = pinhole(500, (128, 128), torch.diag(torch.tensor([1.0, -1, -1])), torch.tensor([0.0, 0, 4]))
    side = pinhole(500, (128, 128), torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]]), torch.tensor([0.0, 0, 4]))
    return torch.stack([front, side])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_body_is_that_of_the_data_set(seed):
    shape, angles, posed = person(seed)
    numbers, pose = BODY.describe(shape, angles)
    orientation = torch.tensor(posed.frames[:1])
    joints = BODY.joints(numbers[None], pose[None], orientation, torch.tensor([[1.0, 2, 3]]).double())
    np.testing.assert_allclose(joints[0].numpy(), keypoints(shape, posed) + np.array([1.0, 2, 3]), atol=1e-12)


def test_the_prior_and_the_joints_have_the_right_gradients():
    generator = torch.Generator().manual_seed(0)
    shape, pose = (
        torch.randn(1, BODY.num_shape, generator=generator),
        torch.randn(1, BODY.num_pose, generator=generator),
    )
    shape, pose = shape.double().requires_grad_(), (3 * pose.double()).requires_grad_()  # far out: limits are passed
    place = torch.eye(3).double()[None], torch.zeros(1, 3).double()
    assert torch.autograd.gradcheck(BODY.prior, (shape, pose))
    assert torch.autograd.gradcheck(lambda s, p: BODY.joints(s, p, *place), (shape, pose))


def test_the_prior_is_standard_normal_inside_the_limits_and_more_beyond():
    still = torch.zeros(1, BODY.num_shape).double()
    assert BODY.prior(still, torch.zeros(1, BODY.num_pose).double()).item() == 0
    assert BODY.prior(still + 2, torch.zeros(1, BODY.num_pose).double()).item() == pytest.approx(2 * BODY.num_shape)
    shape, angles, _ = person(0)
    bent = angles.copy()
    bent[14, 0] = -30  # a knee bent forwards by 30 degrees
    inside, outside = (BODY.describe(shape, a)[1][None] for a in (angles, bent))
    extra = BODY.prior(still, outside) - 0.5 * outside.square().sum()
    assert extra.item() == pytest.approx(0.5 * (30 / 5) ** 2)
    assert BODY.prior(still, inside).item() == pytest.approx(0.5 * inside.square().sum().item())


def test_turns_are_those_of_the_matrix_exponential():
    vectors = torch.tensor([[0.3, -1.2, 2.0], [1e-5, 2e-5, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    for vector in vectors:
        x, y, z = vector.tolist()
        cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        torch.testing.assert_close(turn(vector), torch.matrix_exp(cross))


@pytest.mark.parametrize("loss", [squared, huber(1.5), geman_mcclure(2.0)])
def test_the_losses_tell_their_slope(loss):
    distance = torch.tensor([0.0, 0.5, 2.0, 4.1, 30.0], dtype=torch.float64, requires_grad=True)
    cost, slope = loss(distance)
    torch.testing.assert_close(torch.autograd.grad(cost.sum(), distance)[0], slope)
    assert slope[0] == 1


def test_lbfgs_finds_the_minimum_of_each_problem_for_itself():
    def rosenbrock(x):
        scale = torch.tensor([1.0, 100.0]).double()[: len(x)]
        return scale * ((1 - x[:, 0]) ** 2 + 10 * (x[:, 1] - x[:, 0] ** 2) ** 2)

    start = torch.tensor([[-1.2, 1.0], [0.5, -0.5]], dtype=torch.float64)
    x, value = minimise(rosenbrock, start, iterations=200, tolerance=1e-14)
    torch.testing.assert_close(x, torch.ones(2, 2).double(), atol=1e-5, rtol=0)
    assert value.max() < 1e-9
    alone, _ = minimise(rosenbrock, start[:1], iterations=20, tolerance=0.0)
    together, _ = minimise(rosenbrock, start, iterations=20, tolerance=0.0)
    torch.testing.assert_close(alone, together[:1])


def test_a_wall_is_not_crossed():
    x, value = minimise(lambda x: x.log().sum(1) ** 2, torch.tensor([[5.0]]).double())
    assert x.item() == pytest.approx(1.0, abs=1e-4)
    assert value.item() < 1e-8


def test_a_known_pose_is_recovered_from_two_exact_views():
    truth = torch.tensor(np.stack([keypoints(*person(seed)[::2]) for seed in (0, 3)]))
    cameras = views()
    seen = project(truth, cameras.expand(2, 2, 3, 4))
    fit = fit_body(BODY, seen, cameras, weights=torch.full((2, 2, 17), 100.0), starts=2)
    # the priors pull a little: a tenth of a pixel is 0.8 mm here
    assert (fit.joints - truth).norm(dim=-1).mean() < 0.005
    assert (project(fit.joints, cameras.expand(2, 2, 3, 4)) - seen).norm(dim=-1).mean() < 0.3
    torch.testing.assert_close(
        BODY.joints(fit.shape, fit.pose, fit.orientation, fit.translation), fit.joints, atol=1e-9, rtol=0
    )


def test_one_view_and_weights_that_matter():
    truth = torch.tensor(keypoints(*person(0)[::2]))[None]
    camera = views()[:1]
    seen = project(truth, camera[None])
    spoiled = seen.clone()
    spoiled[0, 0, 9] += torch.tensor([25.0, -20.0])  # a wrist
    covariance = torch.eye(2).double().expand(1, 1, 17, 2, 2).clone()
    options = {"starts": 2, "rounds": 1, "robust": squared}
    equal = fit_body(BODY, spoiled, camera, covariance=covariance, **options)
    covariance[0, 0, 9] *= 1000.0
    told = fit_body(BODY, spoiled, camera, covariance=covariance, **options)
    error = [(project(fit.joints, camera[None]) - seen).norm(dim=-1)[0, 0] for fit in (equal, told)]
    others = [k for k in range(17) if k != 9]
    assert error[1][others].mean() < 0.6 * error[0][others].mean()
    assert error[1][others].mean() < 1.0


def test_bad_input():
    camera = guessed_camera((100, 80))[None]
    with pytest.raises(InputError, match="17 keypoints of the figures body"):
        fit_body(BODY, torch.zeros(1, 1, 5, 2), camera)
    unseen = torch.full((1, 1, 17, 2), torch.nan)
    unseen[0, 0, :5] = 30.0
    with pytest.raises(InputError, match="at least 6 seen keypoints per person, found 5"):
        fit_body(BODY, unseen, camera)
