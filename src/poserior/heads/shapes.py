"""From raw outputs to scales and correlations that cannot go wrong."""

import math
from typing import Literal

import torch
from torch import Tensor

from poserior.heads.pooled import bounded_scale, raw_of_scale

Activation = Literal["sigmoid", "elu"]
SCALE_FLOORS = {"sigmoid": 1e-4, "elu": 1 / 64}
MAX_CORRELATION = 0.999


def elu_scale(raw: Tensor, floor: float) -> Tensor:
    """``floor (2 + elu(raw))``: at least `floor`, linear where large.

    The mixture paper's activation, whose minimum is one cell of the picture that the network answers in; `floor` is
    that cell as a fraction of the crop's side. Components that explain few labels then cannot shrink onto them.
    """
    return floor * (2 + torch.nn.functional.elu(raw))


def raw_of_elu(scale: float, floor: float) -> float:
    """The raw value that `elu_scale` maps to `scale`.

    >>> round(float(elu_scale(torch.tensor(raw_of_elu(0.02, 1 / 64)), 1 / 64)), 6)
    0.02
    """
    cells = scale / floor - 2
    return cells if cells >= 0 else math.log1p(cells)


class ScaleActivation:
    """One of the two maps from raw outputs to scales.

    Args:
        activation: ``"sigmoid"``, see `bounded_scale`, or ``"elu"``, see `elu_scale`.
        floor: the smallest scale; by default 1e-4 of the crop's side for the sigmoid, 1/64 for the ELU (the mixture
            paper's one cell of four pixels in a crop of 256).
    """

    def __init__(self, activation: Activation, floor: float | None) -> None:
        if activation not in SCALE_FLOORS:
            raise ValueError(f"expected activation 'sigmoid' or 'elu', found {activation!r}")
        self.activation, self.floor = activation, SCALE_FLOORS[activation] if floor is None else floor

    def __call__(self, raw: Tensor) -> Tensor:
        return elu_scale(raw, self.floor) if self.activation == "elu" else bounded_scale(raw, self.floor)

    def raw(self, scale: float) -> float:
        """The raw value that gives `scale`, for initial biases."""
        if scale <= self.floor:
            raise ValueError(f"expected an initial scale above the floor {self.floor}, found {scale}")
        return raw_of_elu(scale, self.floor) if self.activation == "elu" else raw_of_scale(scale, self.floor)


def scale_tril(scale: Tensor, raw: Tensor) -> Tensor:
    """The Cholesky factor with standard deviations `scale` and correlations from `raw`.

    ``raw`` becomes partial correlations ``0.999 tanh(raw)``, which may take any values independently: every one of
    them gives a valid correlation matrix. Row i of its factor is ``r_i1, r_i2 sqrt(1 - r_i1^2), ...``.

    Source: Lewandowski, Kurowicka & Joe, "Generating random correlation matrices", 2009.

    Args:
        scale: ``(..., D)``, positive.
        raw: ``(..., D (D - 1) / 2)``, row by row of the strict lower triangle.

    >>> factor = scale_tril(torch.tensor([2.0, 3.0]), torch.atanh(torch.tensor([0.5 / 0.999])))
    >>> [[round(x, 4) for x in row] for row in (factor @ factor.mT).tolist()]  # 0.5 * 2 * 3
    [[4.0, 3.0], [3.0, 9.0]]
    """
    partial = MAX_CORRELATION * torch.tanh(raw)
    dim, zero, used = scale.shape[-1], torch.zeros_like(scale[..., 0]), 0
    rows = []
    for i in range(dim):
        left, row = torch.ones_like(zero), []
        for _ in range(i):
            entry = partial[..., used]
            used += 1
            row.append(entry * left)
            left = left * (1 - entry.square()).sqrt()
        rows.append(torch.stack([*row, left, *[zero] * (dim - 1 - i)], -1))
    return scale[..., None] * torch.stack(rows, -2)
