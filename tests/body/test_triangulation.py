"""Triangulation against exact geometry, scipy, and its own covariance against many draws."""

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from scipy.stats import chi2

from poserior.body import geman_mcclure, huber, pinhole, project, triangulate
from poserior.errors import InputError


def ring(count, distance=4.0, focal=500.0):
    """Cameras around the vertical that look at the origin."""
    cameras = []
    for angle in np.linspace(0, 1.6, count):
        cos, sin = np.cos(angle), np.sin(angle)
        rotation = torch.tensor([[cos, 0, -sin], [0, -1, 0], [-sin, 0, -cos]])
        cameras.append(pinhole(focal, (320, 240), rotation, torch.tensor([0.0, 0.0, distance])))
    return torch.stack(cameras)


def cloud(count, seed=0):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 0.4


def test_two_cameras_by_hand():
    # the first at the origin, the second one metre to its right, both look along z: disparity 100 px is 5 m
    left = pinhole(500, (0, 0))
    right = pinhole(500, (0, 0), translation=torch.tensor([-1.0, 0.0, 0.0]))
    keypoints = torch.tensor([[[100.0, 50.0]], [[0.0, 50.0]]], dtype=torch.float64)
    found = triangulate(keypoints, torch.stack([left, right]))
    assert found.points[0].tolist() == pytest.approx([1.0, 0.5, 5.0])
    # depth is z = f b / d: its standard deviation is z^2 / (f b) times that of the disparity, sqrt(2) pixels
    assert found.covariance[0, 2, 2].sqrt().item() == pytest.approx(25 / 500 * 2**0.5, rel=1e-9)


@pytest.mark.parametrize("robust", [None, huber(), geman_mcclure()])
def test_exact_without_noise(robust):
    points, cameras = cloud(11), ring(3)
    options = {} if robust is None else {"robust": robust}
    found = triangulate(project(points, cameras), cameras, **options)
    torch.testing.assert_close(found.points, points, atol=1e-9, rtol=0)


def test_the_same_minimum_as_scipy():
    generator = torch.Generator().manual_seed(3)
    points, cameras = cloud(4), ring(5)
    root = torch.randn(5, 4, 2, 2, generator=generator, dtype=torch.float64) + 2 * torch.eye(2)
    covariance = 4 * root @ root.mT
    factor = torch.linalg.cholesky(covariance)
    noise = (factor @ torch.randn(5, 4, 2, 1, generator=generator, dtype=torch.float64)).squeeze(-1)
    keypoints = project(points, cameras) + noise
    found = triangulate(keypoints, cameras, covariance=covariance)
    whiten = torch.linalg.inv(factor)
    for n in range(4):

        def residuals(x, n=n):
            error = project(torch.tensor(x)[None], cameras)[:, 0] - keypoints[:, n]
            return (whiten[:, n] @ error[..., None]).flatten().numpy()

        answer = least_squares(residuals, points[n].numpy(), xtol=1e-14, ftol=1e-14, gtol=1e-14)
        np.testing.assert_allclose(found.points[n].numpy(), answer.x, atol=1e-7)
        np.testing.assert_allclose(
            found.covariance[n].numpy(), np.linalg.inv(answer.jac.T @ answer.jac), rtol=1e-4, atol=1e-9
        )


def test_the_covariance_covers_what_it_says():
    generator = torch.Generator().manual_seed(1)
    cameras, draws = ring(4), 4000
    points = cloud(1).expand(draws, 3)
    spread = torch.tensor([2.0, 6.0, 1.0, 3.0], dtype=torch.float64)
    covariance = (spread[:, None, None, None] ** 2 * torch.eye(2)).expand(4, draws, 2, 2)
    noise = spread[:, None, None] * torch.randn(4, draws, 2, generator=generator, dtype=torch.float64)
    found = triangulate(project(points, cameras) + noise, cameras, covariance=covariance)
    error = found.points - points
    distance = (error[:, None] @ torch.linalg.inv(found.covariance) @ error[..., None]).flatten().numpy()
    for level in (0.5, 0.9, 0.99):
        # three standard deviations of a share among 4000
        allowed = 3 * (level * (1 - level) / draws) ** 0.5 + 0.002
        assert (distance <= chi2.ppf(level, 3)).mean() == pytest.approx(level, abs=allowed)


def test_the_right_weights_are_better_than_equal_ones():
    generator = torch.Generator().manual_seed(2)
    points, cameras = cloud(500), ring(4)
    spread = torch.where(torch.rand(4, 500, generator=generator) < 0.3, 12.0, 1.5).double()
    noise = spread[..., None] * torch.randn(4, 500, 2, generator=generator, dtype=torch.float64)
    keypoints = project(points, cameras) + noise
    equal = (triangulate(keypoints, cameras).points - points).norm(dim=-1).mean()
    right = (triangulate(keypoints, cameras, weights=spread**-2).points - points).norm(dim=-1).mean()
    assert right < 0.7 * equal


def test_one_bad_view_does_not_ruin_it():
    points, cameras = cloud(9), ring(4)
    keypoints = project(points, cameras)
    keypoints[2] += torch.tensor([150.0, -90.0])
    plain = (triangulate(keypoints, cameras).points - points).norm(dim=-1)
    robust = (triangulate(keypoints, cameras, robust=geman_mcclure()).points - points).norm(dim=-1)
    assert plain.min() > 0.1
    assert robust.max() < 1e-3


def test_points_do_not_mix_and_missing_views_do_not_count():
    points, cameras = cloud(5), ring(3)
    keypoints = project(points, cameras) + torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    keypoints[0, 1] = torch.nan
    keypoints[:2, 3] = torch.nan
    found = triangulate(keypoints, cameras)
    alone = triangulate(keypoints[1:, 1:2], cameras[1:])
    torch.testing.assert_close(found.points[1], alone.points[0], atol=1e-8, rtol=0)
    assert found.points[3].isnan().all()
    assert found.points[[0, 1, 2, 4]].isfinite().all()
    weights = torch.ones(3, 5)
    weights[0, 4] = 0
    without = triangulate(keypoints[1:, 4:], cameras[1:])
    torch.testing.assert_close(triangulate(keypoints, cameras, weights).points[4], without.points[0], atol=1e-8, rtol=0)


def test_precision_is_kept():
    points, cameras = cloud(2).float(), ring(2).float()
    found = triangulate(project(points, cameras), cameras)
    assert found.points.dtype == found.covariance.dtype == torch.float32
    torch.testing.assert_close(found.points, points, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": torch.full((2, 3), -1.0)}, "weights of at least 0"),
        ({"covariance": torch.zeros(2, 3, 2, 2)}, "positive definite"),
        ({"covariance": torch.eye(2).expand(2, 3, 2, 2), "weights": torch.ones(2, 3)}, "found both"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(InputError, match=message):
        triangulate(torch.zeros(2, 3, 2), ring(2), **options)


def test_one_camera_is_too_few():
    with pytest.raises(InputError, match="at least 2 cameras"):
        triangulate(torch.zeros(1, 3, 2), ring(1))
