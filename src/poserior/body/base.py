"""What a body is to the fit: some numbers in, joints out, and how likely the numbers are."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Body(Protocol):
    """A body that can be fitted.

    Its frame: x to its left, y up, z forward, in metres. Shape and pose are in units of their prior: all zeros is the
    average body in its average pose, and a number of 1 is one standard deviation off.

    Attributes:
        name: of the body, for messages.
        keypoints: what its joints are.
        num_shape: S, how many numbers its shape has.
        num_pose: P, how many its pose has.
    """

    name: str
    keypoints: tuple[str, ...]
    num_shape: int
    num_pose: int

    def joints(
        self,
        shape: Float[Tensor, "B S"],
        pose: Float[Tensor, "B P"],
        orientation: Float[Tensor, "B 3 3"],
        translation: Float[Tensor, "B 3"],
    ) -> Float[Tensor, "B J 3"]:
        """Where the keypoints lie in the world: ``orientation @ (in the body's frame) + translation``."""

    def prior(self, shape: Float[Tensor, "B S"], pose: Float[Tensor, "B P"]) -> Float[Tensor, "B"]:
        """The negative log density of shape and pose in nats, up to a constant; with it the joints' limits."""


def placed(
    points: Float[Tensor, "B N 3"], orientation: Float[Tensor, "B 3 3"], translation: Float[Tensor, "B 3"]
) -> Float[Tensor, "B N 3"]:
    """Points of the body's frame in the world."""
    return points @ orientation.mT + translation[:, None]


def beyond(values: Float[Tensor, "*B N"], low: Float[Tensor, "N"], high: Float[Tensor, "N"]) -> Float[Tensor, "*B N"]:
    """How far values are out of their limits; 0 inside."""
    return torch.relu(values - high) + torch.relu(low - values)


def turn(vector: Float[Tensor, "*B 3"]) -> Float[Tensor, "*B 3 3"]:
    """A rotation by ``|vector|`` radians about `vector` (Rodrigues), smooth at zero.

    >>> turn(torch.tensor([0.0, 0.0, torch.pi / 2])).round(decimals=4).abs().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    square = vector.square().sum(-1)
    # the series where the quotients would lose all digits
    small = square < 1e-6
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    sine = torch.where(small, 1 - square / 6, angle.sin() / angle)
    cosine = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / safe)
    eye = torch.eye(3, dtype=vector.dtype, device=vector.device)
    turned: Tensor = eye + sine[..., None, None] * cross + cosine[..., None, None] * (cross @ cross)
    return turned
