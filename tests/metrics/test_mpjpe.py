"""Errors in space against hand-worked numbers and scipy."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from poserior.metrics import mpjpe, pa_mpjpe, procrustes, vertex_error


def test_mpjpe_by_hand():
    preds = torch.tensor([[[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 5.0], [9.0, 9.0, 9.0]]])
    target = torch.zeros(2, 2, 3)
    visibility = torch.tensor([[2, 1], [1, 0]])
    assert mpjpe(preds, target, visibility).item() == pytest.approx((3 + 0 + 5) / 3)
    assert vertex_error(preds, target).item() == pytest.approx((3 + 0 + 5 + 9 * 3**0.5) / 4)
    # both hips as the root: their mean is moved onto the target's
    assert mpjpe(preds[:1], target[:1], root=(0, 1)).item() == pytest.approx(1.5)


def test_pa_mpjpe_is_that_of_scipy():
    rng = np.random.default_rng(0)
    target = rng.normal(size=(7, 3))
    preds = 0.3 * (target + 0.1 * rng.normal(size=(7, 3))) @ Rotation.random(random_state=1).as_matrix() + [5.0, -2, 1]
    moved = procrustes(torch.tensor(preds)[None], torch.tensor(target)[None])[0].numpy()
    # scipy scales the target to norm 1 and tells the squared disparity there
    *_, disparity = scipy_procrustes(target, preds)
    norm = np.square(target - target.mean(0)).sum()
    assert np.square(moved - target).sum() == pytest.approx(disparity * norm, rel=1e-9)
    assert pa_mpjpe(torch.tensor(preds)[None], torch.tensor(target)[None]).item() == pytest.approx(
        np.linalg.norm(moved - target, axis=1).mean(), rel=1e-12
    )


def test_a_similarity_is_forgiven_and_a_mirror_is_not():
    points = torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = torch.tensor(Rotation.random(3, random_state=0).as_matrix())
    assert pa_mpjpe(2.5 * points @ turn.mT + 3.0, points).item() < 1e-12
    assert pa_mpjpe(points * torch.tensor([-1.0, 1, 1]), points).item() > 0.1


def test_joints_that_do_not_count_have_no_influence():
    target = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    preds = 1.7 * target - 1
    preds[:, 4] = torch.nan
    visibility = torch.tensor([[1, 1, 1, 2, 0]]).expand(2, 5)
    assert pa_mpjpe(preds, target, visibility).item() < 1e-5
