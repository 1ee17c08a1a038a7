"""Pinhole cameras as ``(3, 4)`` matrices, and how much an observed keypoint tells."""

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.errors import InputError


def pinhole(
    focal: float | int,
    centre: tuple[float | int, float | int],
    rotation: Float[Tensor, "3 3"] | None = None,
    translation: Float[Tensor, "3"] | None = None,
) -> Float[Tensor, "3 4"]:
    """The camera ``K [R | t]``, in float64.

    Args:
        focal: focal length in pixels.
        centre: principal point ``(x, y)`` in pixels.
        rotation: world directions to the camera's (x right, y down, z away); none by default.
        translation: the world's origin in the camera's frame; none by default.

    >>> project(torch.tensor([[1.0, 2.0, 4.0]]).double(), pinhole(100, (50, 60))[None]).tolist()
    [[[75.0, 110.0]]]
    """
    intrinsics = torch.tensor([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]], dtype=torch.float64)
    turn = torch.eye(3, dtype=torch.float64) if rotation is None else rotation.double()
    shift = torch.zeros(3, dtype=torch.float64) if translation is None else translation.double()
    return intrinsics @ torch.cat([turn, shift[:, None]], 1)


def guessed_camera(image_size: tuple[int, int], factor: float | int = 1.2) -> Float[Tensor, "3 4"]:
    """A camera for a picture of which nothing is known: the focal length is `factor` times the longer side.

    Args:
        image_size: ``(H, W)``.
        factor: 1.2 is a field of view of 45 degrees.

    >>> guessed_camera((100, 200))[0].tolist()
    [240.0, 0.0, 100.0, 0.0]
    """
    height, width = image_size
    return pinhole(factor * max(height, width), (width / 2, height / 2))


def project(points: Float[Tensor, "*B N 3"], cameras: Float[Tensor, "*B V 3 4"]) -> Float[Tensor, "*B V N 2"]:
    """World points to pixels of every camera; not a number where a point is not in front of it."""
    seen = points[..., None, :, :] @ cameras[..., :3].mT + cameras[..., None, :, 3]
    depth = seen[..., 2:]
    return seen[..., :2] / torch.where(depth > 0, depth, torch.nan)


def information(
    keypoints: Float[Tensor, "*B 2"],
    weights: Float[Tensor, "*B"] | None = None,
    covariance: Float[Tensor, "*B 2 2"] | None = None,
) -> Float[Tensor, "*B 2 2"]:
    """The inverse covariance of observed keypoints, in float64; zero for one that is missing.

    Args:
        keypoints: in pixels; a point that is not a number is missing.
        weights: confidences, as ``weight / pixel^2``: 0 is missing, 1 a standard deviation of one pixel.
        covariance: in square pixels; infinite or not a number is missing. Only one of the two may be given; with
            none, every point has a standard deviation of one pixel.

    Raises:
        InputError: both are given, a shape does not fit, a weight is negative, or a covariance is not positive
            definite.
    """
    if weights is not None and covariance is not None:
        raise InputError("expected weights or a covariance, found both; leave one out")
    eye = torch.eye(2, dtype=torch.float64, device=keypoints.device)
    if covariance is None:
        scale = torch.ones_like(keypoints[..., 0]) if weights is None else weights
        _expect("weights", scale, keypoints.shape[:-1])
        if bool((scale < 0).any()):
            raise InputError(f"expected weights of at least 0, found {float(scale.min())}; clip them")
        inverse = scale.double()[..., None, None] * eye
        known = scale.isfinite()
    else:
        _expect("covariance", covariance, (*keypoints.shape, 2))
        known = covariance.isfinite().all(-1).all(-1)
        matrix = torch.where(known[..., None, None], covariance.double(), eye)
        if not bool(((torch.linalg.det(matrix) > 0) & (matrix[..., 0, 0] > 0)).all()):
            raise InputError(
                "expected positive definite covariances, found one that is not; add a little to its diagonal"
            )
        inverse = torch.linalg.inv(matrix)
    known = known & keypoints.isfinite().all(-1)
    return torch.where(known[..., None, None], inverse, torch.zeros_like(inverse))


def _expect(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != tuple(shape):
        raise InputError(f"expected {name} of shape {tuple(shape)}, found {tuple(value.shape)}; reshape them")
