"""SMPL bodies: a stand-in package of the same interface, whose joints tell what they were asked for."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from poserior.body import SmplxBody
from poserior.errors import InputError


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package whose joint ``j`` lies at ``(j, body_pose[-1], betas[0])``."""
    calls = []

    class Model:
        num_expression_coeffs = 10

        def __call__(self, **arguments):
            calls.append(arguments)
            number = torch.arange(60).double()
            people = len(arguments["betas"])
            last, first = arguments["body_pose"][:, -1:], arguments["betas"][:, :1]
            joints = torch.stack([number.expand(people, -1), last.expand(-1, 60), first.expand(-1, 60)], -1)
            return SimpleNamespace(joints=joints, vertices=joints[:, :7] * 2)

    module = ModuleType("smplx")
    module.create = lambda path, **options: calls.append({"path": path, **options}) or Model()
    monkeypatch.setitem(sys.modules, "smplx", module)
    return calls, tmp_path


@pytest.mark.parametrize(("kind", "nose", "left_ear", "angles"), [("smpl", 24, 28, 69), ("smplx", 55, 59, 63)])
def test_keypoints_are_where_the_package_has_them(package, kind, nose, left_ear, angles):
    calls, folder = package
    body = SmplxBody(folder, kind, num_betas=4)
    assert calls[0]["model_type"] == kind
    assert (body.num_shape, body.num_pose) == (4, 63)
    shape, pose = torch.full((2, 4), 0.5).double(), torch.ones(2, 63).double()
    shift = torch.tensor([[0.0, 0, 10], [0, 0, 20]]).double()
    joints = body.joints(shape, pose, torch.eye(3).double().expand(2, 3, 3), shift)
    place = dict(zip(body.keypoints, joints[1, :, 0].tolist(), strict=True))
    assert (place["nose"], place["left_ear"]) == (nose, left_ear)
    assert (place["left_shoulder"], place["right_wrist"], place["left_hip"], place["right_ankle"]) == (16, 21, 1, 8)
    assert joints[:, 0, 2].tolist() == [10.5, 20.5]
    asked = calls[1]["body_pose"]
    assert asked.shape == (2, angles)
    # the right wrist's spread; SMPL's hands rest
    assert asked[0, 62].item() == pytest.approx(0.3)
    assert asked[0, 63:].abs().sum() == 0
    assert body.vertices(shape, pose, torch.eye(3).double().expand(2, 3, 3), shift).shape == (2, 7, 3)


def test_a_knee_that_bends_forwards_costs_more(package):
    body = SmplxBody(package[1], "smplx")
    pose, shape = torch.zeros(1, 63).double(), torch.zeros(1, 10).double()
    pose[0, 9] = 1.0  # 0.6 rad back: allowed
    assert body.prior(shape, pose).item() == pytest.approx(0.5)
    assert body.prior(shape, -pose).item() == pytest.approx(0.5 + 0.5 * (0.5 / 0.1) ** 2)


def test_what_is_missing_is_said(monkeypatch, tmp_path):
    with pytest.raises(InputError, match="expected SMPL's model files at"):
        SmplxBody(tmp_path / "none")
    with pytest.raises(InputError, match="found 'star'"):
        SmplxBody(tmp_path, "star")
    monkeypatch.setitem(sys.modules, "smplx", None)
    with pytest.raises(InputError, match="expected the package smplx, found none; install it"):
        SmplxBody(tmp_path)
