"""Integral regression: the mean of a normalised map, trained on its distance to the label."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions import Distribution, Grid, LocScale
from poserior.heads.fixed import Fixed
from poserior.heads.soft_argmax import SoftArgmax, cell_squares, soft_argmax


class IntegralLaw(LocScale):
    """A law of constant scale about the soft-argmax, with the map it came from.

    Args:
        law: the law of constant scale.
        log_map: ``(B, K, [Z,] H, W)`` log masses of the cells.
    """

    def __init__(self, law: LocScale, log_map: Float[Tensor, "B K *cells"]) -> None:
        self.log_map = log_map
        super().__init__(law.loc, law.scale, law.law)

    @property
    def map(self) -> Grid:
        """The normalised map as a density of its own: its mean, not its height, is what was trained."""
        return Grid(self.log_map, dim=self.log_map.dim() - 2)


class Integral(Fixed):
    """``sum_d |y - loc|`` with ``loc = sum_cells softmax(map / temperature) * centre``.

    Trained is the distance of the map's mean to the label, so the law this fits is a Laplace of constant scale about
    `loc` (`base="gaussian"`: squared distance), its scale learned as in `Fixed`; that is the density returned. The map
    itself is no density of the label: any map with the same mean has the same loss. It stays available as
    ``distribution.map``. With the regulariser the map is pulled to a Gaussian about the label (Jensen-Shannon
    divergence, in nats).

    Source: Sun et al., "Integral Human Pose Regression", ECCV 2018; regulariser: Nibali et al., "Numerical Coordinate
    Regression with Convolutional Neural Networks", 2018.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        base: ``"laplace"`` for L1, ``"gaussian"`` for L2.
        num_deconvolutions: how often the features' resolution is doubled; 0 for high-resolution features.
        channels: width of the transposed convolutions.
        temperature: below 1 the map is sharpened.
        regulariser: weight of the divergence; the distance it stands beside is in crop sides.
        target_scale: standard deviation of the regulariser's Gaussian in cells of the map.
        initial_scale: where the density's scale starts, as a fraction of the crop's side.
        depth_cells: cells along the third axis; used in three dimensions only.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        base: Literal["laplace", "gaussian"] = "laplace",
        num_deconvolutions: int = 3,
        channels: int = 256,
        temperature: float = 1.0,
        regulariser: float = 0.0,
        target_scale: float = 2.0,
        initial_scale: float = 0.1,
        depth_cells: int = 64,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim, base, initial_scale)
        if not (regulariser >= 0 and target_scale > 0):
            raise ValueError(
                f"expected regulariser >= 0 and target_scale > 0 (cells), found {regulariser} and {target_scale}"
            )
        self.regulariser, self.target_scale = regulariser, target_scale
        self.locate: SoftArgmax = SoftArgmax(
            in_channels, num_keypoints, dim, num_deconvolutions, channels, temperature, depth_cells
        )

    def forward(self, features: Float[Tensor, "B C H W"]) -> IntegralLaw:
        log_map = self.locate.log_map(features)
        return IntegralLaw(self.density(soft_argmax(log_map)), log_map)

    def penultimate(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B P h w"]:
        """The features after the deconvolutions."""
        raised: Tensor = self.locate.draw.stem(features)
        return raised

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """The distance, the scale's likelihood (see `Fixed`), and the weighted divergence of the map."""
        loss = super().loss(distribution, target)
        if self.regulariser == 0:
            return loss
        assert isinstance(distribution, IntegralLaw)
        # A label outside pulls the map to the nearest point of the crop.
        squares = cell_squares(distribution.log_map, target.clamp(-0.5, 0.5))
        wanted = (-0.5 * squares / self.target_scale**2).flatten(2).log_softmax(-1)
        return loss + self.regulariser * jensen_shannon(distribution.log_map.flatten(2), wanted)


def jensen_shannon(log_p: Float[Tensor, "*B N"], log_q: Float[Tensor, "*B N"]) -> Float[Tensor, "*B"]:
    """``(KL(p, m) + KL(q, m)) / 2`` with ``m = (p + q) / 2``, in nats: between 0 and log 2.

    >>> never = torch.tensor([1e-30]).log()
    >>> one, other = torch.cat([torch.zeros(1), never]), torch.cat([never, torch.zeros(1)])
    >>> round(jensen_shannon(one, other).item(), 4)
    0.6931
    """
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum(-1)
