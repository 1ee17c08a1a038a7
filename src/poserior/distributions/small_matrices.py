"""Triangular solves and Cholesky factors of 2 x 2 and 3 x 3 matrices, written out.

Element by element they need no LAPACK call per matrix, stay in the tensors' own precision under autocast, and export.
"""

import torch
from torch import Tensor


def outer_square(factor: Tensor) -> Tensor:
    """``factor factor^T`` for ``(..., D, D)``."""
    return (factor[..., :, None, :] * factor[..., None, :, :]).sum(-1)


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    """``matrix vector`` for ``(..., D, D)`` and ``(..., D)``."""
    return (matrix * vector[..., None, :]).sum(-1)


def solve_lower(factor: Tensor, value: Tensor) -> Tensor:
    """``z`` with ``factor z = value``, `factor` lower triangular ``(..., D, D)``, `value` ``(..., D)``.

    >>> solve_lower(torch.tensor([[2.0, 0.0], [1.0, 4.0]]), torch.tensor([2.0, 9.0])).tolist()
    [1.0, 2.0]
    """
    solved: list[Tensor] = []
    for i in range(value.shape[-1]):
        rest = value[..., i]
        for j, earlier in enumerate(solved):
            rest = rest - factor[..., i, j] * earlier
        solved.append(rest / factor[..., i, i])
    return torch.stack(solved, -1)


def cholesky(matrix: Tensor) -> Tensor:
    """The lower triangular ``L`` with ``L L^T = matrix``, ``(..., D, D)``, positive definite.

    >>> cholesky(torch.tensor([[4.0, 2.0], [2.0, 10.0]])).tolist()
    [[2.0, 0.0], [1.0, 3.0]]
    """
    size = matrix.shape[-1]
    zero = torch.zeros_like(matrix[..., 0, 0])
    rows: list[list[Tensor]] = []
    for i in range(size):
        row: list[Tensor] = []
        for j in range(i):
            row.append((matrix[..., i, j] - _dot(row, rows[j][:j])) / rows[j][j])
        row.append((matrix[..., i, i] - _dot(row, row)).sqrt())
        rows.append(row + [zero] * (size - 1 - i))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def solve_positive(matrix: Tensor, value: Tensor) -> Tensor:
    """``x`` with ``matrix x = value``, `matrix` symmetric and positive definite ``(..., D, D)``, `value` ``(..., D)``.

    By cofactors up to D = 3: few operations, for this runs in a loop that is exported unrolled.

    >>> solve_positive(torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([4.0, 7.0])).tolist()
    [1.0, 2.0]
    """
    size = matrix.shape[-1]
    if size > 3:
        solved: Tensor = torch.linalg.solve(matrix, value[..., None])
        return solved[..., 0]
    if size == 1:
        return value / matrix[..., 0]
    both = (-2, -1)
    if size == 2:
        signs = 2 * torch.eye(2, dtype=matrix.dtype, device=matrix.device) - 1
        cofactors = matrix.flip(both) * signs
    else:
        cofactors = matrix.roll((-1, -1), both) * matrix.roll((-2, -2), both)
        cofactors = cofactors - matrix.roll((-1, -2), both) * matrix.roll((-2, -1), both)
    determinant = (matrix[..., 0, :] * cofactors[..., 0, :]).sum(-1, keepdim=True)
    return times(cofactors, value) / determinant


def precision(factor: Tensor) -> Tensor:
    """``(factor factor^T)^-1`` for a lower triangular ``(..., D, D)``."""
    eye = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    inverse = solve_lower(factor[..., None, :, :], eye)  # row j is the inverse's column j
    return outer_square(inverse)


def _dot(left: list[Tensor], right: list[Tensor]) -> Tensor | float:
    total: Tensor | float = 0.0
    for a, b in zip(left, right, strict=False):
        total = total + a * b
    return total
