"""Where a smooth function of a point is highest: a search on a few values, without gradients."""

from collections.abc import Callable
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.small_matrices import cholesky, solve_lower

ROUNDS = 7


@torch.no_grad()
def climb(
    height: Callable[[Tensor], Tensor], starts: Float[Tensor, "S *B D"], reach: Float[Tensor, "*B D"]
) -> Float[Tensor, "*B D"]:
    """The highest point found from the best of the starts; never lower than any of them.

    Each round looks at just enough points around the best one to lay a parabola through them, goes on at its summit
    (where it has one), and looks twice as close. A kink, which no parabola fits, is found to ``reach / 2^6``.

    Args:
        height: from points ``(M, *B, D)`` to values ``(M, *B)``.
        starts: where to begin.
        reach: how far around to look at first.
    """
    best, value = highest(starts, height(starts))
    offsets = _offsets(best)
    offsets = offsets.reshape(len(offsets), *[1] * (best.dim() - 1), best.shape[-1])
    centre = best
    for _ in range(ROUNDS):
        points = centre + reach * offsets
        values = height(points)
        best, value = highest(torch.cat([best[None], points]), torch.cat([value[None], values]))
        step = _summit(values)
        # The summit only counts where it lies near the points it was guessed from; elsewhere the best point goes on.
        near = (step.abs() <= 2).all(-1, keepdim=True)
        centre = torch.where(near, centre + reach * step, best)
        reach = reach / 2
    return highest(torch.stack([best, centre]), torch.stack([value, height(centre[None])[0]]))[0]


def highest(points: Float[Tensor, "M *B D"], values: Float[Tensor, "M *B"]) -> tuple[Tensor, Tensor]:
    """The point with the highest value at every batch index, ``(*B, D)``, and that value, ``(*B)``."""
    values = values.nan_to_num(nan=-torch.inf)
    index = values.argmax(0, keepdim=True)
    return points.gather(0, index[..., None].expand(1, *points.shape[1:]))[0], values.gather(0, index)[0]


def _offsets(like: Tensor) -> Tensor:
    """The centre, a step back and forth on every axis, a step on every two axes together: ``(P, D)``."""
    axes = torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)
    corners = [a + b for a, b in combinations(axes, 2)]
    return torch.stack([torch.zeros_like(axes[0]), *axes, *-axes, *corners])


def _summit(values: Float[Tensor, "P *B"]) -> Tensor:
    """The top of the parabola through the values at `_offsets`, in steps; far away where it has none."""
    dim = next(d for d in range(1, 9) if 1 + 2 * d + d * (d - 1) // 2 == len(values))
    centre, forth, back, corners = values[0], values[1 : dim + 1], values[dim + 1 : 2 * dim + 1], values[2 * dim + 1 :]
    slope = ((forth - back) / 2).movedim(0, -1)
    bends = {(i, i): forth[i] + back[i] - 2 * centre for i in range(dim)}
    for (i, j), corner in zip(combinations(range(dim), 2), corners, strict=True):
        bends[i, j] = bends[j, i] = corner - forth[i] - forth[j] + centre
    bend = torch.stack([torch.stack([bends[i, j] for j in range(dim)], -1) for i in range(dim)], -2)
    factor = cholesky(-bend)  # not a number where there is no summit
    usable = factor.isfinite().all(-1).all(-1) & slope.isfinite().all(-1)
    safe = torch.where(usable[..., None, None], factor, torch.eye(dim, dtype=factor.dtype, device=factor.device))
    half = solve_lower(safe, slope.nan_to_num())
    # The transpose, turned by half a turn, is lower triangular again.
    step = solve_lower(safe.mT.flip((-2, -1)), half.flip(-1)).flip(-1)
    return torch.where(usable[..., None], step, torch.inf)
