"""The map from the levels that densities claim to the levels that labels have."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy.optimize import isotonic_regression
from torch import Tensor

GAP = 1 / 64
"""The least distance of two knots: levels that were counted over 256 nodes say little about less."""


class LevelMap(NamedTuple):
    """A rising, piecewise linear map R of [0, 1] onto itself.

    Attributes:
        levels: ``(M,)`` knots, rising from 0 to 1.
        mass: ``(M,)``, the map there.
        gain: mean log slope at the labels: nats per label that the map gains on them.
    """

    levels: Float[Tensor, "M"]
    mass: Float[Tensor, "M"]
    gain: float


def level_map(
    levels: Float[Tensor, "N"],
    fall: Float[Tensor, "N"],
    labels_per_knot: int,
    most_knots: int,
    keep_order: bool = True,
) -> LevelMap:
    """The most likely map, linear between knots, under which the densities still fall outwards.

    The knots lie at the labels' own levels, equally many labels between each two. The j-th smallest of n levels is
    given the mass ``j / (n + 1)``, which a label drawn by the same law falls below with; so every slope is positive.

    The corrected density is slope times density. Where it would rise outwards from one piece to the next (densities
    averaged over the labels in a piece), pieces are pooled to one height: Grenander's estimator of a falling density
    (1956), on bins, with the bins' own volumes.

    Args:
        levels: the labels', in [0, 1].
        fall: the labels' log densities less those at the modes.
        labels_per_knot: at least so many labels between two knots.
        most_knots: M at most, with both ends; at least 3.
        keep_order: False leaves the pooling out: the map goes through all its points.
    """
    ordered, order = levels.double().sort()
    count = len(ordered)
    pieces = max(min(most_knots - 1, count // labels_per_knot), 1)
    ranks: list[int] = []
    for piece in range(1, pieces):
        # Where several labels share a level, it is one knot: the last of theirs.
        rank = int(torch.searchsorted(ordered, ordered[round(count * piece / pieces) - 1], right=True))
        level = float(ordered[rank - 1])
        if level - (float(ordered[ranks[-1] - 1]) if ranks else 0.0) >= GAP and level <= 1 - GAP:
            ranks.append(rank)
    inner = torch.tensor(ranks, dtype=torch.int64)
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    knots = torch.cat([ends[:1], ordered[inner - 1], ends[1:]])
    masses = torch.cat([ends[:1], inner / (count + 1), ends[1:]])
    segment = torch.searchsorted(knots[1:-1].contiguous(), ordered)
    number = torch.bincount(segment, minlength=len(knots) - 1)
    log_height = torch.bincount(segment, fall[order].double(), minlength=len(number)) / number.clamp_min(1)
    height = (log_height - log_height.amax()).clamp_min(-60).exp()
    volume = knots.diff() / height
    slopes = masses.diff() / volume
    if keep_order:
        pooled = isotonic_regression(slopes.numpy(), weights=volume.numpy(), increasing=False)
        slopes = torch.from_numpy(pooled.x.copy())
    slopes = slopes / height
    mass = torch.cat([ends[:1], (slopes * knots.diff()).cumsum(0)])
    return LevelMap(knots, mass / mass[-1], float(slopes[segment].log().mean()))


def mapped(fitted: LevelMap, levels: Float[Tensor, "N"]) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
    """Levels sent through the map, and its slopes there."""
    segment = torch.searchsorted(fitted.levels[1:-1].contiguous(), levels.double(), right=True)
    slope = (fitted.mass.diff() / fitted.levels.diff())[segment]
    corrected = fitted.mass[segment] + slope * (levels.double() - fitted.levels[segment])
    return corrected.clamp(0, 1), slope


def padded(fitted: LevelMap, knots: int) -> tuple[Float[Tensor, "M"], Float[Tensor, "M"]]:
    """The same map with exactly `knots` knots: its widest piece is cut evenly."""
    widest = int(fitted.levels.diff().argmax())
    share = torch.linspace(0, 1, knots - len(fitted.levels) + 2, dtype=torch.float64)[1:-1]

    def cut(values: Tensor) -> Tensor:
        between = torch.lerp(values[widest], values[widest + 1], share)
        return torch.cat([values[: widest + 1], between, values[widest + 1 :]])

    return cut(fitted.levels), cut(fitted.mass)
