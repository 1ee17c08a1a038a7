"""L-BFGS for many small problems at once: every one has its own history and its own step."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Energy = Callable[[Float[Tensor, "B D"]], Float[Tensor, "B"]]
_SHRINK, _ARMIJO = 0.4, 1e-4


def minimise(
    energy: Energy, start: Float[Tensor, "B D"], iterations: int = 100, history: int = 10, tolerance: float | int = 1e-7
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B"]]:
    """Limited-memory BFGS (Nocedal, 1980) with backtracking; the energies never rise.

    torch's own optimiser would take the B problems for one: a step that suits one stops the others, and the answer
    would depend on who else is in the batch.

    Args:
        energy: B independent energies of D numbers each; values that are not finite are walls.
        start: where to begin; finite energies.
        iterations: the most steps.
        history: how many steps the curvature is estimated from.
        tolerance: ends when no energy falls by more than this share.

    Returns:
        Where it ended, and the energies there.
    """
    x, (value, gradient) = start.detach(), _measure(energy, start)
    steps: list[Tensor] = []
    changes: list[Tensor] = []
    quiet = 0
    for _ in range(iterations):
        direction = -_inverse_hessian(gradient, steps, changes)
        slope = (direction * gradient).sum(1)
        # where the estimate points uphill, plain descent
        uphill = slope >= 0
        direction = torch.where(uphill[:, None], -gradient, direction)
        slope = torch.where(uphill, -gradient.square().sum(1), slope)
        length = torch.ones_like(value) if steps else 1 / gradient.norm(dim=1).clamp_min(1.0)
        moved, fresh, fresh_gradient = _backtrack(energy, x, value, gradient, direction, slope, length)
        steps.append(moved - x)
        changes.append(fresh_gradient - gradient)
        del steps[:-history], changes[:-history]
        fell = (value - fresh) > tolerance * (1 + value.abs())
        x, value, gradient = moved, fresh, fresh_gradient
        quiet = 0 if bool(fell.any()) else quiet + 1
        if quiet >= 2:
            break
    return x, value


def _measure(energy: Energy, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B"], Float[Tensor, "B D"]]:
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        value = energy(at)
        (gradient,) = torch.autograd.grad(value.nan_to_num(0.0, 0.0, 0.0).sum(), at)
    good = value.isfinite() & gradient.isfinite().all(1)
    gradient = torch.where(good[:, None], gradient, torch.zeros_like(gradient))
    return torch.where(good, value, torch.inf).detach(), gradient


def _backtrack(
    energy: Energy,
    x: Float[Tensor, "B D"],
    value: Float[Tensor, "B"],
    gradient: Float[Tensor, "B D"],
    direction: Float[Tensor, "B D"],
    slope: Float[Tensor, "B"],
    length: Float[Tensor, "B"],
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B"], Float[Tensor, "B D"]]:
    """The first of ever shorter steps that lowers the energy enough; who finds none stays."""
    best, done = (x, value, gradient), torch.zeros_like(value, dtype=torch.bool)
    for _ in range(12):
        moved = x + length[:, None] * direction
        fresh, fresh_gradient = _measure(energy, moved)
        enough = ~done & (fresh <= value + _ARMIJO * length * slope)
        best = (
            torch.where(enough[:, None], moved, best[0]),
            torch.where(enough, fresh, best[1]),
            torch.where(enough[:, None], fresh_gradient, best[2]),
        )
        done = done | enough
        if bool(done.all()):
            break
        length = length * _SHRINK
    return best


def _inverse_hessian(
    gradient: Float[Tensor, "B D"], steps: list[Float[Tensor, "B D"]], changes: list[Float[Tensor, "B D"]]
) -> Float[Tensor, "B D"]:
    """The two loops over the history; a pair without positive curvature is left out, problem by problem."""
    curvature = [(step * change).sum(1) for step, change in zip(steps, changes, strict=True)]
    usable = [bend > 1e-12 * change.square().sum(1) for bend, change in zip(curvature, changes, strict=True)]
    rho = [torch.where(ok, 1 / torch.where(ok, bend, 1.0), 0.0) for ok, bend in zip(usable, curvature, strict=True)]
    result, alphas = gradient, []
    for step, change, weight in zip(reversed(steps), reversed(changes), reversed(rho), strict=True):
        alphas.append(weight * (step * result).sum(1))
        result = result - alphas[-1][:, None] * change
    scale = torch.ones_like(gradient[:, 0])
    for ok, bend, change in zip(usable, curvature, changes, strict=True):
        scale = torch.where(ok, bend / change.square().sum(1).clamp_min(1e-300), scale)
    result = scale[:, None] * result
    for step, change, weight, alpha in zip(steps, changes, rho, reversed(alphas), strict=True):
        result = result + (alpha - weight * (change * result).sum(1))[:, None] * step
    return result
