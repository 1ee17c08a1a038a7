"""Where in the highest cell of a heatmap the peak lies."""

import itertools
import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

Decoding = Literal["argmax", "quarter", "dark"]
DECODINGS = get_args(Decoding)


def decode(maps: Float[Tensor, "B K *cells"], decoding: Decoding, smoothing: float) -> Float[Tensor, "B K D"]:
    """The peak's place in the highest cell, 0..1 on each axis (x, y[, z]); 0.5 is the cell's centre.

    ``"argmax"``: the centre. ``"quarter"``: a quarter cell from it toward the higher neighbour on each axis.
    ``"dark"``: the map is smoothed, and from the centre one Newton step is made on its logarithm (exact for a
    Gaussian peak); no step where the logarithm is not concave or the cell is at the map's edge. A step never
    leaves the cell.

    Source: quarter shift: Newell et al., "Stacked Hourglass Networks", ECCV 2016; "dark": Zhang et al.,
    "Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020.

    Args:
        maps: heatmaps, x last.
        decoding: which.
        smoothing: standard deviation, in cells, of the smoothing for ``"dark"``.
    """
    dim = maps.dim() - 2
    if decoding == "argmax":
        return torch.full((*maps.shape[:2], dim), 0.5, dtype=maps.dtype, device=maps.device)
    radius = 1 if decoding == "quarter" else 1 + math.ceil(3 * smoothing)
    patch, interior = _peak_patch(maps, radius)
    if decoding == "dark":
        patch = _smooth(patch, smoothing, dim)
    up, down = ([_at(patch, {axis: side}) for axis in range(dim)] for side in (1, -1))
    if decoding == "quarter":
        step = 0.25 * torch.stack([(a - b).sign() for a, b in zip(up, down, strict=True)], -1)
        return 0.5 + torch.where(interior, step, 0.0)
    patch = patch.clamp_min(1e-10).log()
    slope, curve = _slope_and_curve(patch, dim)
    step = torch.where(interior.all(-1, keepdim=True), newton_step(slope, curve), 0.0)
    return 0.5 + step.clamp(-0.5, 0.5)


def newton_step(slope: Float[Tensor, "*B D"], curve: Float[Tensor, "*B D D"]) -> Float[Tensor, "*B D"]:
    """``-curve^-1 slope`` where `curve` is negative definite, else zero.

    Plain elimination, which every export format knows; a positive pivot on each axis is what definite means.

    >>> newton_step(torch.tensor([1.0, 0.5]), torch.tensor([[-2.0, 0.0], [0.0, -1.0]])).tolist()
    [0.5, 0.5]
    """
    dim = slope.shape[-1]
    matrix = [[-curve[..., i, j] for j in range(dim)] for i in range(dim)]
    right = [slope[..., i] for i in range(dim)]
    definite = torch.ones_like(right[0], dtype=torch.bool)
    for i in range(dim):
        definite = definite & (matrix[i][i] > 1e-12)
        pivot = torch.where(definite, matrix[i][i], 1.0)
        for row in range(i + 1, dim):
            factor = matrix[row][i] / pivot
            matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[i], strict=True)]
            right[row] = right[row] - factor * right[i]
        matrix[i][i] = pivot
    step: list[Tensor] = [torch.zeros_like(right[0])] * dim
    for i in reversed(range(dim)):
        known = sum((matrix[i][j] * step[j] for j in range(i + 1, dim)), torch.zeros_like(right[0]))
        step[i] = (right[i] - known) / matrix[i][i]
    return torch.where(definite[..., None], torch.stack(step, -1), 0.0)


def _peak_patch(maps: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """The cells within `radius` of the highest, ``(B, K, *cells)``, and per axis whether it has both neighbours."""
    shape = maps.shape[2:]
    dim = len(shape)
    flat = maps.flatten(2).argmax(-1)
    padded = torch.nn.functional.pad(maps, [radius] * 2 * dim)
    window = torch.arange(2 * radius + 1, device=maps.device)
    index = torch.zeros_like(flat)
    centre = []
    for count in reversed(shape):
        centre.append(flat % count)
        flat = flat // count
    for axis in reversed(range(dim)):  # z, y, x: the layout's order
        index = index * padded.shape[-1 - axis] if axis < dim - 1 else index
        index = index[..., None] + centre[axis].reshape(*centre[axis].shape, *[1] * (dim - axis)) + window
    interior = torch.stack([(c > 0) & (c < n - 1) for c, n in zip(centre, reversed(shape), strict=True)], -1)
    return padded.flatten(2).gather(-1, index.flatten(2)).reshape(index.shape), interior


def _smooth(patch: Tensor, scale: float, dim: int) -> Tensor:
    """A Gaussian smoothing, evaluated at the three middle places of each axis: ``(B, K, 3, 3[, 3])``."""
    places = torch.arange(patch.shape[-1], dtype=patch.dtype, device=patch.device) - patch.shape[-1] // 2
    shifts = torch.tensor([-1.0, 0.0, 1.0], dtype=patch.dtype, device=patch.device)
    weights = torch.exp(-0.5 * ((places - shifts[:, None]) / scale).square())
    weights = weights / weights.sum(-1, keepdim=True)
    for _ in range(dim):  # each turn smooths the last axis and moves it to the front of the cells
        patch = (patch @ weights.mT).movedim(-1, 2)
    return patch


def _at(patch: Tensor, shift: dict[int, int]) -> Tensor:
    """The patch at a shift from its centre: axis (0 is x) to cells."""
    middle = patch.shape[-1] // 2
    dim = patch.dim() - 2
    for axis in range(dim):
        patch = patch[..., middle + shift.get(axis, 0)]
    return patch


def _slope_and_curve(patch: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """First and second central differences at the patch's centre."""
    slope = [(_at(patch, {a: 1}) - _at(patch, {a: -1})) / 2 for a in range(dim)]
    curve: dict[tuple[int, int], Tensor] = {}
    for a in range(dim):
        curve[a, a] = _at(patch, {a: 1}) - 2 * _at(patch, {}) + _at(patch, {a: -1})
    for a, b in itertools.combinations(range(dim), 2):
        corners = [i * j * _at(patch, {a: i, b: j}) for i, j in itertools.product((1, -1), repeat=2)]
        curve[a, b] = curve[b, a] = torch.stack(corners).sum(0) / 4
    rows = [torch.stack([curve[a, b] for b in range(dim)], -1) for a in range(dim)]
    return torch.stack(slope, -1), torch.stack(rows, -2)
