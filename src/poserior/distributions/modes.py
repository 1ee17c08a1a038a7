"""The several answers a mixture gives, where it gives several."""

import torch
from torch import Tensor

from poserior.distributions.base import Distribution
from poserior.distributions.small_matrices import solve_positive

LEAST_WEIGHT = 0.05
APART = 2.0  # two equal Gaussians have one peak up to this distance, in their own standard deviations


@torch.no_grad()
def separate_modes(law: Distribution, least: float = LEAST_WEIGHT) -> tuple[Tensor, Tensor] | None:
    """The points and weights of a mixture's peaks that lie apart; None if no point has two of them.

    Parts within `APART` standard deviations (of the mean of their covariances) of a heavier part that is not taken
    yet join it: their weights are added, their points averaged. A flip test whose halves agree has so one peak. What
    is left with less than `least` is dropped. This is cheap and looks at means and covariances only: the peaks are near
    the density's maxima, not on them.

    Args:
        law: any density with ``batch_shape + (D,)`` points.
        least: the smallest weight of a peak.

    Returns:
        ``(*batch_shape, M, D)`` and ``(*batch_shape, M)``, heaviest first; points and weights are 0 where there are
        fewer than M.

    >>> from poserior.distributions import GaussianMixture
    >>> shares, loc = torch.tensor([0.4, 0.2, 0.39, 0.01]), torch.tensor([[0.0], [1.0], [9.0], [30.0]])
    >>> points, weights = separate_modes(GaussianMixture(shares.log(), loc, torch.ones(4, 1, 1)))
    >>> [round(value, 4) for value in points.flatten().tolist()], [round(value, 4) for value in weights.tolist()]
    ([0.3333, 9.0], [0.6, 0.39])
    """
    weights, points, covariance = law.parts()
    count, dim = points.shape[-2:]
    if count == 1:
        return None
    weights, order = weights.sort(dim=-1, descending=True, stable=True)
    points = points.gather(-2, order[..., None].expand(points.shape))
    covariance = covariance.gather(-3, order[..., None, None].expand(*order.shape, dim, dim))
    away = points[..., :, None, :] - points[..., None, :, :]
    both = (covariance[..., :, None, :, :] + covariance[..., None, :, :, :]) / 2
    near = (away * solve_positive(both, away)).sum(-1) <= APART**2

    free = torch.ones_like(weights, dtype=torch.bool)
    sums, centres = [], []
    for m in range(count):
        joining = free & free[..., m, None] & near[..., m, :]
        mass = torch.where(joining, weights, 0.0)
        total = mass.sum(-1)
        sums.append(total)
        centres.append((mass[..., None] * points).sum(-2) / torch.where(total > 0, total, 1.0)[..., None])
        free = free & ~joining
    total, order = torch.stack(sums, -1).sort(dim=-1, descending=True, stable=True)
    centre = torch.stack(centres, -2).gather(-2, order[..., None].expand(points.shape))
    kept = total >= least
    most = int(kept.sum(-1).max()) if kept.numel() else 0
    if most < 2:
        return None
    centre, total = (torch.where(keep, part, 0.0) for keep, part in ((kept[..., None], centre), (kept, total)))
    return centre[..., :most, :], total[..., :most]
