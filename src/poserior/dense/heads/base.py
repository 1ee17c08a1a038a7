"""The contract of every dense head: a density in each cell of a feature map."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from poserior.distributions import Distribution


class DenseHead(nn.Module, ABC):
    """Features ``(B, C, h, w)`` to raw values of a density in every cell; the density itself only where it is wanted.

    The density is over K points of the plane, in cells, relative to the cell's centre. A pose is its K keypoints; a
    box's size counts as one point ``(width, height)``. Only the cells that are asked for become densities: a training
    step looks at the objects' centres, a prediction at the best peaks.

    Args:
        in_channels: C.
        factors: K numbers by which scales differ from point to point: the skeleton's `oks_sigmas` for keypoints,
            ``(1,)`` for a box.
    """

    factors: Tensor

    def __init__(self, in_channels: int, factors: Sequence[float]) -> None:
        super().__init__()
        if len(factors) == 0 or min(factors) <= 0:
            raise ValueError(f"expected at least one factor, all positive, found {tuple(factors)}")
        self.in_channels, self.num_points = in_channels, len(factors)
        self.register_buffer("factors", torch.tensor(factors, dtype=torch.float32), persistent=False)

    @property
    @abstractmethod
    def components(self) -> int:
        """M, how many modes the density has; 1 for a law with a single one."""

    @abstractmethod
    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B P h w"]:
        """The raw values."""

    @abstractmethod
    def density(self, raw: Float[Tensor, "*L P"]) -> Distribution:
        """The density of raw values taken at some cells: ``batch_shape (*L, K)``, ``event_shape (2,)``."""

    @abstractmethod
    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L"]:
        """What is minimised, per object: a sum over its labelled points; the targets of others may be anything."""

    def weights(self, distribution: Distribution) -> Float[Tensor, "*L M"]:
        """The modes' weights."""
        mode = distribution.mode
        return torch.ones_like(mode[..., :1, 0])

    def modes(self, distribution: Distribution) -> Float[Tensor, "*L M K 2"]:
        """Every mode's points, in the head's fixed order of components."""
        return distribution.mode[..., None, :, :]
