"""How far the learned densities are from the truth: the mean over x of ``KL(p(. | x) || model(. | x))``, on a grid.

As in the papers' public code, x and y run over the same evenly spaced points of [-3, 3] and both densities are
normalised over those of y; unlike there, everything stays in logarithms and float64, so that a model's vanishing
density costs what it costs and never overflows.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.toy1d.head import Head1d
from poserior.toy1d.nets import unpack
from poserior.toy1d.problems import HIGH, LOW, Problem

POINTS = 2048
AT_ONCE = 2**20
"""Values of a density computed at a time."""


def axis(points: int = POINTS) -> Float[Tensor, "P"]:
    """The grid on one axis; an even number of points leaves out 0, where problem 1 jumps."""
    return torch.linspace(LOW, HIGH, points, dtype=torch.float64)


def truth(problem: Problem, x: Float[Tensor, "X"], y: Float[Tensor, "Y"]) -> Float[Tensor, "X Y"]:
    """``log p(y | x)`` normalised over the points of y."""
    shape = (len(x), len(y))
    return problem.log_prob(x[:, None].expand(shape), y.expand(shape)).log_softmax(-1)


def log_densities(
    head: Head1d, nets: Float[Tensor, "N P"], points: int = POINTS
) -> Iterator[tuple[Float[Tensor, "X"], Float[Tensor, "N X Y"]]]:
    """The learned log densities, normalised over the grid of y, for a few x at a time."""
    grid = axis(points)
    parameters = unpack(head.parts, nets)
    step = max(1, AT_ONCE // (len(nets) * points))
    for start in range(0, points, step):
        x = grid[start : start + step]
        with torch.no_grad():
            values = head.log_density(parameters, x.to(nets.dtype), grid.to(nets.dtype))
        yield x, values.double().log_softmax(-1)


def kl_to_truth(problem: Problem, head: Head1d, nets: Float[Tensor, "N P"], points: int = POINTS) -> Float[Tensor, "N"]:
    """The KL of every net, in nats; inf where a net has no density at all.

    Args:
        problem: whose density is the truth.
        head: what the nets are.
        nets: their parameters, as `train` returns them.
        points: of the grid, on each axis.
    """
    total = torch.zeros(len(nets), dtype=torch.float64)
    for x, learned in log_densities(head, nets, points):
        true = truth(problem, x, axis(points))
        mass = true.exp()
        entropy = torch.where(mass > 0, mass * true, 0.0).sum()
        total += entropy - torch.where(mass > 0, mass * learned, 0.0).sum((1, 2))
    return total / points
