"""A density of points in the plane from the points alone."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

MOST = 4000
"""Points that carry a kernel, at most."""
WIDTHS = (0.35, 0.5, 0.7, 1.0, 1.4)
"""Kernel widths to choose from, in units of Silverman's."""
TAIL = 0.02
"""Share of a wide law that gives every place some density."""
PORTION = 4096


class KernelDensity:
    """Gaussian kernels about the points, of the width that makes each likeliest when it is left out; a thin wide tail.

    ``p(u) = (1 - 0.02) mean_m N(u; u_m, w^2 I) + 0.02 t(u)`` with `t` Student's law of 3 degrees about the median,
    twice as wide as the points.

    Args:
        points: ``(M, 2)``, two at least; of more than 4,000 a fixed random choice carries kernels.
    """

    def __init__(self, points: Float[Tensor, "M 2"]) -> None:
        if len(points) < 2:
            raise ValueError(f"expected at least two points, found {len(points)}")
        order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
        self.centres = points[order[:MOST]]
        self.median = points.median(0).values
        spread = (points - self.median).abs().median(0).values.mean().item() / 0.6745
        self.spread = max(spread, 1e-3)
        count = len(self.centres)
        scores = []
        squared = self._squared(self.centres)
        squared.fill_diagonal_(math.inf)
        for factor in WIDTHS:
            width = factor * self.spread * count ** (-1 / 6)
            scores.append((self._mix(squared, width, count - 1, self.centres).mean().item(), width))
        self.width = max(scores)[1]
        self._left_out = self._mix(squared, self.width, count - 1, self.centres)
        self._others = points if len(points) > MOST else None

    @property
    def left_out(self) -> Float[Tensor, "M"]:
        """``(M,)`` log density at each point by the other points; by all where there are more than 4,000."""
        return self._left_out if self._others is None else self.log_prob(self._others)

    def log_prob(self, value: Float[Tensor, "N 2"]) -> Float[Tensor, "N"]:
        """Log density at `value`."""
        parts = [
            self._mix(self._squared(part), self.width, len(self.centres), part) for part in torch.split(value, PORTION)
        ]
        return torch.cat(parts) if parts else value.new_zeros(0)

    def _squared(self, value: Tensor) -> Tensor:
        return (value[:, None] - self.centres).square().sum(-1)

    def _mix(self, squared: Tensor, width: float, count: int, value: Tensor) -> Tensor:
        kernels = (-squared / (2 * width**2)).logsumexp(1) - math.log(count * 2 * math.pi * width**2)
        scale = 2 * self.spread
        far = (value - self.median).square().sum(-1) / scale**2
        # bivariate Student's t of 3 degrees: (1 + r^2 / 3)^(-5/2) / (2 pi scale^2)
        tail = -2.5 * torch.log1p(far / 3) - math.log(2 * math.pi * scale**2)
        return torch.logaddexp(kernels + math.log1p(-TAIL), tail + math.log(TAIL))
