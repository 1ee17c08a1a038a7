"""Anny: the short cut to the keypoints against the package's own regressor on its mesh."""

import sys

import pytest
import torch

from poserior.body import AnnyBody
from poserior.errors import InputError


@pytest.fixture(scope="module")
def body():
    pytest.importorskip("anny")
    return AnnyBody()


def numbers(body, people, size=0.7):
    generator = torch.Generator().manual_seed(0)
    shape, pose = (torch.randn(people, n, generator=generator).double() for n in (body.num_shape, body.num_pose))
    return size * shape, size * pose, torch.eye(3).double().expand(people, 3, 3), torch.zeros(people, 3).double()


def test_keypoints_are_those_of_the_packages_regressor(body):
    import anny

    where = numbers(body, 2)
    regressor = anny.KeypointsRegressor.coco(body.model, labels=list(body.keypoints))
    torch.testing.assert_close(body.joints(*where), regressor({"vertices": body.vertices(*where)}), atol=1e-9, rtol=0)


def test_the_average_body_stands_upright_and_looks_forward(body):
    still = [0 * part for part in numbers(body, 1)[:2]]
    points = dict(zip(body.keypoints, body.joints(*still, *numbers(body, 1)[2:])[0], strict=True))
    assert points["left_shoulder"][0] > 0.1 > -0.1 > points["right_shoulder"][0]
    assert points["nose"][1] > points["left_hip"][1] > points["left_ankle"][1]
    assert points["nose"][2] > points["left_ear"][2] + 0.05
    # knees and elbows are bent the way they bend
    assert points["left_ankle"][2] < points["left_knee"][2]
    assert points["right_wrist"][2] > points["right_elbow"][2]
    vertices = body.vertices(*still, *numbers(body, 1)[2:])[0]
    assert 1.5 < (vertices[:, 1].max() - vertices[:, 1].min()).item() < 1.9


def test_every_number_moves_the_keypoints_and_limits_cost(body):
    shape, pose, orientation, translation = numbers(body, 1)
    shape.requires_grad_(), pose.requires_grad_()
    body.joints(shape, pose, orientation, translation).square().sum().backward()
    assert (shape.grad != 0).all()
    # an upper bone's twist moves what hangs on it; nothing hangs on the lower bones' axis alone
    assert (pose.grad.abs() > 1e-6).float().mean() > 0.9
    still = torch.zeros(1, body.num_shape).double()
    bent = torch.zeros(1, body.num_pose).double()
    knee = body._bones.index(body.model.bone_labels.index("lowerleg01.L"))
    bent[0, 3 * knee] = -1.0  # 0.2 - 0.5 rad: forwards
    assert body.prior(still, bent).item() == pytest.approx(0.5 + 0.5 * (0.25 / 0.1) ** 2)
    assert body.prior(still, -bent).item() == pytest.approx(0.5)


def test_without_the_package_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "anny", None)
    with pytest.raises(InputError, match="expected the package anny, found none"):
        AnnyBody()
