"""From what several cameras see to points in space, each with its covariance."""

from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.body.cameras import information, project
from poserior.body.robust import Loss, squared
from poserior.errors import InputError


class Triangulation(NamedTuple):
    """Points in space.

    Attributes:
        points: ``(N, 3)`` in the world's unit; not a number where fewer than two cameras see the point.
        covariance: ``(N, 3, 3)`` in its square: that of the point given the observations.
    """

    points: Float[Tensor, "N 3"]
    covariance: Float[Tensor, "N 3 3"]


@torch.no_grad()
def triangulate(
    keypoints: Float[Tensor, "V N 2"],
    cameras: Float[Tensor, "V 3 4"],
    weights: Float[Tensor, "V N"] | None = None,
    covariance: Float[Tensor, "V N 2 2"] | None = None,
    robust: Loss = squared,
    iterations: int = 30,
) -> Triangulation:
    """The points ``argmin_X 1/2 sum_v rho(e_v^T C_v^-1 e_v)`` with ``e_v = project(X, v) - keypoints_v``.

    Levenberg-Marquardt on the reprojection error, from a linear start. With a robust loss every pair of cameras gives
    a start too and the cheapest one is taken: a bad view spoils no pair it is not in. The points' covariance is
    Laplace's, the inverse of the Gauss-Newton Hessian ``sum_v rho' J_v^T C_v^-1 J_v`` there: it means what it says if
    the given covariances do. With weights it is right up to the factor the weights are off.

    Args:
        keypoints: of N points in V views, pixels; not a number where a view does not show a point.
        cameras: world to homogeneous pixels.
        weights: a confidence per observation, ``1 / variance`` up to a factor; see `information`.
        covariance: of every observation in square pixels, instead of weights.
        robust: `squared`, or a loss of `poserior.body.robust`.
        iterations: the most steps; it ends when no point moves any more.

    Raises:
        InputError: fewer than two cameras, or shapes, weights or covariances that cannot be.
    """
    if len(cameras) < 2 or len(cameras) != len(keypoints):
        raise InputError(
            f"expected at least 2 cameras and as many views, found {len(cameras)} and {len(keypoints)};"
            " a point seen once has no depth"
        )
    inverse = information(keypoints, weights, covariance)
    seen = (inverse != 0).any(-1).any(-1)
    pixels = torch.where(seen[..., None], keypoints.double(), torch.zeros((), dtype=torch.float64))
    matrices = cameras.double()
    points = _linear(pixels, matrices, inverse)
    if robust is not squared:
        points = _cheapest(points, pixels, matrices, inverse, robust)
    points = _levenberg(points, pixels, matrices, inverse, robust, iterations)
    hessian, _, _ = _system(points, pixels, matrices, inverse, robust)
    usable = (seen.sum(0) >= 2) & points.isfinite().all(-1) & hessian.isfinite().all(-1).all(-1)
    usable = usable & (torch.linalg.cond(torch.where(usable[:, None, None], hessian, torch.eye(3).double())) < 1e14)
    spread = torch.linalg.inv(torch.where(usable[:, None, None], hessian, torch.eye(3).double()))
    nowhere = torch.tensor(torch.nan, dtype=torch.float64)
    return Triangulation(
        torch.where(usable[:, None], points, nowhere).to(keypoints.dtype),
        torch.where(usable[:, None, None], spread, nowhere).to(keypoints.dtype),
    )


def _linear(
    pixels: Float[Tensor, "V N 2"], cameras: Float[Tensor, "V 3 4"], inverse: Float[Tensor, "V N 2 2"]
) -> Float[Tensor, "N 3"]:
    """Weighted direct linear transform ``(u P3 - P1,2) (X, 1) = 0``, twice: then each row is over its depth."""
    rows = pixels[..., None] * cameras[:, None, 2:] - cameras[:, None, :2]  # (V, N, 2, 4)
    # an equation is in pixels times depth: all depths count as one at first
    depth = torch.ones_like(pixels[..., 0])
    points = pixels.new_zeros(pixels.shape[1], 3)
    for _ in range(2):
        weight = inverse / depth[..., None, None].square()
        normal = (rows.mT @ weight @ rows).sum(0)
        ridge = 1e-15 * normal[:, :3, :3].diagonal(dim1=-2, dim2=-1).amax(-1).clamp_min(1e-300)
        matrix = normal[:, :3, :3] + ridge[:, None, None] * torch.eye(3).to(normal)
        points = -torch.linalg.solve(matrix, normal[:, :3, 3:]).squeeze(-1)
        depth = (points @ cameras[:, 2, :3].mT + cameras[:, 2, 3]).mT.abs().clamp_min(1e-9)
    return points


def _cheapest(
    points: Float[Tensor, "N 3"],
    pixels: Float[Tensor, "V N 2"],
    cameras: Float[Tensor, "V 3 4"],
    inverse: Float[Tensor, "V N 2 2"],
    robust: Loss,
) -> Float[Tensor, "N 3"]:
    """Of the linear answers of all views and of each pair, the one of least cost."""
    best, cost = points, _system(points, pixels, cameras, inverse, robust)[2]
    for pair in combinations(range(len(cameras)), 2):
        chosen = list(pair)
        other = _linear(pixels[chosen], cameras[chosen], inverse[chosen])
        price = _system(other, pixels, cameras, inverse, robust)[2]
        better = (price < cost) & _both(inverse[chosen])
        best, cost = torch.where(better[:, None], other, best), torch.where(better, price, cost)
    return best


def _both(inverse: Float[Tensor, "2 N 2 2"]) -> Bool[Tensor, "N"]:
    return (inverse != 0).any(-1).any(-1).all(0)


def _levenberg(
    points: Float[Tensor, "N 3"],
    pixels: Float[Tensor, "V N 2"],
    cameras: Float[Tensor, "V 3 4"],
    inverse: Float[Tensor, "V N 2 2"],
    robust: Loss,
    iterations: int,
) -> Float[Tensor, "N 3"]:
    """Every point has a damping of its own: what the others are does not matter to it."""
    damping = torch.full(points.shape[:1], 1e-4).to(points)
    hessian, gradient, cost = _system(points, pixels, cameras, inverse, robust)
    for _ in range(iterations):
        diagonal = hessian.diagonal(dim1=-2, dim2=-1).clamp_min(1e-12)
        step = -torch.linalg.solve_ex(hessian + torch.diag_embed(damping[:, None] * diagonal), gradient[..., None])[0]
        moved = points + step.squeeze(-1)
        fresh = _system(moved, pixels, cameras, inverse, robust)
        better = fresh[2] < cost
        points = torch.where(better[:, None], moved, points)
        hessian = torch.where(better[:, None, None], fresh[0], hessian)
        gradient = torch.where(better[:, None], fresh[1], gradient)
        cost = torch.where(better, fresh[2], cost)
        damping = torch.where(better, damping / 10, damping * 10).clamp(1e-12, 1e12)
        if not bool((step.squeeze(-1).abs().amax(-1) > 1e-10 * (1 + points.abs().amax(-1))).any()):
            break
    return points


def _system(
    points: Float[Tensor, "N 3"],
    pixels: Float[Tensor, "V N 2"],
    cameras: Float[Tensor, "V 3 4"],
    inverse: Float[Tensor, "V N 2 2"],
    robust: Loss,
) -> tuple[Float[Tensor, "N 3 3"], Float[Tensor, "N 3"], Float[Tensor, "N"]]:
    """Gauss-Newton Hessian, gradient and cost; the cost is infinite behind a camera that saw the point."""
    seen = (inverse != 0).any(-1).any(-1)
    image = project(points, cameras)
    behind = (image.isnan().any(-1) & seen).any(0)
    error = torch.where(seen[..., None] & image.isfinite(), image - pixels, torch.zeros_like(pixels))
    depth = (points @ cameras[:, 2, :3].mT + cameras[:, 2, 3]).mT
    # d(u)/dX = (P_row - u P_3) / depth
    jacobian = (cameras[:, None, :2, :3] - image[..., None] * cameras[:, None, 2:, :3]) / depth[..., None, None]
    jacobian = torch.where((seen & image.isfinite().all(-1))[..., None, None], jacobian, torch.zeros_like(jacobian))
    distance = (error[..., None, :] @ inverse @ error[..., None]).squeeze(-1).squeeze(-1)
    cost, slope = robust(distance)
    weighted = jacobian.mT @ (slope[..., None, None] * inverse)
    hessian, gradient = (weighted @ jacobian).sum(0), (weighted @ error[..., None]).sum(0).squeeze(-1)
    return hessian, gradient, (0.5 * cost.sum(0)).masked_fill(behind, torch.inf)
