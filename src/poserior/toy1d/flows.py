"""Flows of one number: increasing functions to a standard Gaussian.

RealNVP, which couples one axis with another, needs two; in one dimension this family stands in for it:
``z = a e + c + sum_k w_k tanh(s_k (e - b_k))`` with ``a, w, s > 0``, which increases everywhere and whose derivative is
known, so the density ``N(z; 0, 1) dz/de`` is exact and integrates to one.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from poserior.toy1d.parametric import FLOOR, HALF_LOG_TWO_PI, Parametric

UNITS = 8


def flow_log_prob(raw: Tensor, value: Tensor) -> Tensor:
    """Log density at `value` of the flow with unbounded parameters `raw`.

    Args:
        raw: ``(N, 2 + 3 units, ...)``: slope and shift, then the units' heights, steepnesses and places.
        value: broadcasts against ``raw[:, 0]``.
    """
    slope, shift = softplus(raw[:, 0]) + FLOOR, raw[:, 1]
    height, steepness, place = raw[:, 2:].chunk(3, dim=1)
    steepness = softplus(steepness)
    bent = (steepness * (value[:, None] - place)).tanh()
    height = softplus(height)
    z = slope * value + shift + (height * bent).sum(1)
    derivative: Tensor = slope + (height * steepness * (1 - bent.square())).sum(1)
    return derivative.log() - 0.5 * z.square() - HALF_LOG_TWO_PI


def near_identity(units: int = UNITS) -> Tensor:
    """Parameters of a flow that hardly bends: small units, spread over [-2, 2]."""
    one = math.log(math.e - 1)  # softplus of it is 1
    places = torch.linspace(-2, 2, units)
    return torch.cat([torch.tensor([one, 0.0]), torch.full((units,), -2.0), torch.full((units,), one), places])


class SharedFlow(Parametric):
    """RLE and DLE in one dimension: location and scale depend on x, the law of ``e = (y - loc) / scale`` is one flow.

    The scale is a sigmoid, as in the paper. DLE is trained on the likelihood alone, RLE on ``-log Q(e)`` beside it, Q a
    Laplace law; the density of both is the flow, moved and scaled (docs/rle.md).

    Source: Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021.

    Args:
        residual: RLE.
    """

    def __init__(self, residual: bool) -> None:
        super().__init__([1, 1], near_identity())
        self.residual = residual

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        error, scale = self._error(kinds, y)
        return flow_log_prob(kinds[2], error) - scale.log()

    def extra(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        if not self.residual:
            return super().extra(kinds, y)
        error, _ = self._error(kinds, y)
        return error.abs() + math.log(2)

    @staticmethod
    def _error(kinds: Sequence[Tensor], y: Tensor) -> tuple[Tensor, Tensor]:
        scale = kinds[1][:, 0].sigmoid() + FLOOR
        return (y - kinds[0][:, 0]) / scale, scale


class ConditionalFlow(Parametric):
    """A flow of y all of whose parameters depend on x: any density, in principle."""

    def __init__(self) -> None:
        super().__init__([2 + 3 * UNITS])

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        return flow_log_prob(kinds[0] + near_identity()[:, None, None].to(y.dtype), y)
