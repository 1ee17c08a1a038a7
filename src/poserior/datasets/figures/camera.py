"""The perspective camera: from the world (y up) to the camera's frame (x right, y down, z away) to pixels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from poserior.datasets.figures.chance import choose


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    Attributes:
        rotation: ``(3, 3)``, world directions to camera directions.
        position: ``(3,)`` in the world, metres.
        focal: focal length in pixels.
        centre: ``(2,)`` principal point in pixels, wherever a cropped picture puts it.
    """

    rotation: Float[np.ndarray, "3 3"]
    position: Float[np.ndarray, "3"]
    focal: float
    centre: Float[np.ndarray, "2"]

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """``K``: a point ``P`` of the camera's frame lies at the pixel ``(K P)[:2] / P[2]``."""
        return np.array([[self.focal, 0, self.centre[0]], [0, self.focal, self.centre[1]], [0, 0, 1]])

    def to_camera(self, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
        """World points to the camera's frame."""
        moved: Float[np.ndarray, "*N 3"] = (points - self.position) @ self.rotation.T
        return moved

    def project(self, points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 2"]:
        """Points of the camera's frame to pixels."""
        pixels: Float[np.ndarray, "*N 2"] = points[..., :2] / points[..., 2:] * self.focal + self.centre
        return pixels

    def ground_homography(self) -> Float[np.ndarray, "3 3"]:
        """The map from ground points ``(x, z, 1)`` (world, y = 0) to homogeneous pixels; its third row is the depth."""
        columns = np.stack([self.rotation[:, 0], self.rotation[:, 2], -self.rotation @ self.position], 1)
        homography: Float[np.ndarray, "3 3"] = self.intrinsics @ columns
        return homography


def look_at(position: Float[np.ndarray, "3"], aim: Float[np.ndarray, "3"], roll: float) -> Float[np.ndarray, "3 3"]:
    """The rotation of a camera at `position` that looks at `aim`, tilted by `roll` radians."""
    away = aim - position
    away = away / np.linalg.norm(away)
    x, y, z = away.tolist()
    flat = np.hypot(x, z)
    right = np.array([-z, 0.0, x]) / flat  # away cross up
    down = np.array([x * y, -flat * flat, y * z]) / flat  # away cross right
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * right + sin * down, cos * down - sin * right, away])


def sample_camera(
    rng: np.random.Generator, cloud: Float[np.ndarray, "N 3"], picture_size: tuple[int, int], truncation: float
) -> Camera:
    """A camera that frames a cloud of world points, from any side, mostly from eye height, sometimes high or low.

    Args:
        rng: the source of chance.
        cloud: what should be in the picture, metres.
        picture_size: ``(H, W)``.
        truncation: the probability of a picture that cuts part of the cloud off.
    """
    low, high = cloud.min(0), cloud.max(0)
    middle = (low + high) / 2
    azimuth = rng.uniform(-np.pi, np.pi)
    degrees = (rng.normal(6, 7), rng.uniform(12, 38), rng.uniform(38, 62))
    elevation = np.deg2rad(degrees[choose(rng, (0.66, 0.27, 0.07))])
    extent = max(1.2, float(np.linalg.norm(high - low)))
    distance = extent * np.exp(rng.uniform(np.log(1.5), np.log(3.6)))
    direction = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    position = middle + distance * direction
    position[1] = max(position[1], 0.18)
    aim = middle + rng.normal(0, 0.05, 3) * extent
    rotation = look_at(position, aim, np.deg2rad(rng.normal(0, 2.5)))
    flat = (cloud - position) @ rotation.T
    flat = flat[:, :2] / np.maximum(flat[:, 2:], 0.3)
    low, high = flat.min(0), flat.max(0)
    sides = np.array([picture_size[1], picture_size[0]], dtype=np.float64)
    fill, aimed = rng.uniform(0.66, 0.94), (low + high) / 2
    slack = np.maximum(0.0, 1.0 - fill) * 0.4
    if rng.random() < truncation:
        fill = rng.uniform(1.05, 1.8)
        # mostly the upper body stays
        aimed = aimed + (high - low) * np.array([rng.uniform(-0.25, 0.25), (-0.22, 0.1)[choose(rng, (0.75, 0.25))]])
        slack = 0.06
    focal = float(fill * (sides / (high - low)).min())
    centre = sides / 2 - focal * aimed + rng.uniform(-1, 1, 2) * slack * sides
    return Camera(rotation, position, focal, centre)
