"""A picture and its mirror image are asked; one density is to be made of the two."""

from itertools import permutations
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.dense.heads import DenseHead
from poserior.distributions import (
    Distribution,
    LocScale,
    Mixture,
    PoseFullMixture,
    PoseGaussianMixture,
    PoseMarginals,
    WholePoses,
)
from poserior.distributions.small_matrices import cholesky, outer_square

How = Literal["match", "mixture", "average"]
EXACT = 5  # components up to which all M! pairings are compared


@torch.no_grad()
def fuse(head: DenseHead, plain: Distribution, mirrored: Distribution, how: How = "match") -> Distribution:
    """One density of two that are about the same objects in the same frame.

    A network that is asked twice gives M components twice, and the heaviest of the one need not be the heaviest of the
    other. Averaging those two then gives a pose between two poses, which is neither.

    - ``"match"``: every component of `plain` is paired with one of `mirrored` (`pair_up`), and a pair becomes one
      component: its weight is the mean of their weights, its centre and covariance those of the pair as a mixture. So
      M stays, in `plain`'s order, and a pair that disagrees is broad.
    - ``"mixture"``: all 2 M components, nothing averaged: the exact equal mixture.
    - ``"average"``: the public code's: the heaviest of each, points and standard deviations (with correlations:
      covariances) averaged; one component.

    Laws with a single mode are one pair: ``"match"`` and ``"average"`` give the law of the same family with the equal
    mixture's mean and variances.

    Args:
        head: whose densities they are.
        plain: of the picture, ``batch_shape (*L, K)``.
        mirrored: of its mirror image, mirrored back by the caller.
        how: see above.
    """
    if how not in ("match", "mixture", "average"):
        raise ValueError(f"expected 'match', 'mixture' or 'average', found {how!r}")
    if isinstance(plain, PoseMarginals) and isinstance(mirrored, PoseMarginals):
        first, second = plain.pose, mirrored.pose
        if first is None or second is None:
            raise ValueError("expected laws of whole poses, found marginals that an index has torn apart")
        if how == "mixture":
            return _side_by_side(first, second).marginals()
        if how == "match":
            return _matched(first, _taken(second, pair_up(first, second))).marginals()
        heaviest = [head.weights(law).argmax(-1)[..., None] for law in (plain, mirrored)]
        return _averaged(_taken(first, heaviest[0]), _taken(second, heaviest[1])).marginals()
    if how == "mixture":
        return Mixture([plain, mirrored])
    if isinstance(plain, LocScale) and isinstance(mirrored, LocScale):
        return _same_moments(plain, mirrored)
    raise ValueError(f"expected densities that can be averaged, found {type(plain).__name__}; fuse them by 'mixture'")


def pair_up(first: WholePoses, second: WholePoses) -> Int[Tensor, "*L M"]:
    """For each component of `first` its partner in `second`, one to one.

    The sum over pairs of the squared distance of their points, ``sum_kd (a - b)^2 / (var a + var b)``, is the smallest
    of all pairings with up to 5 components; with more, the nearest two are paired, then the nearest of the rest.
    """
    spread = (
        first.scale_tril.square().sum(-1)[..., :, None, :, :] + second.scale_tril.square().sum(-1)[..., None, :, :, :]
    )
    cost = ((first.loc[..., :, None, :, :] - second.loc[..., None, :, :, :]).square() / spread).sum((-2, -1))
    return _cheapest(cost) if cost.shape[-1] <= EXACT else _greedy(cost)


def _cheapest(cost: Float[Tensor, "*L M M"]) -> Tensor:
    count = cost.shape[-1]
    every = torch.tensor(list(permutations(range(count))), device=cost.device)
    totals = cost[..., torch.arange(count, device=cost.device), every].sum(-1)
    return every[totals.argmin(-1)]


def _greedy(cost: Float[Tensor, "*L M M"]) -> Tensor:
    count = cost.shape[-1]
    partner = torch.zeros(cost.shape[:-1], dtype=torch.long, device=cost.device)
    numbers = torch.arange(count, device=cost.device)
    left = cost
    for _ in range(count):
        nearest = left.flatten(-2).argmin(-1)
        row, column = (nearest // count)[..., None], (nearest % count)[..., None]
        partner = torch.where(numbers == row, column, partner)
        taken = (numbers == row)[..., :, None] | (numbers == column)[..., None, :]
        left = torch.where(taken, torch.inf, left)
    return partner


def _side_by_side(first: WholePoses, second: WholePoses) -> WholePoses:
    if isinstance(first, PoseGaussianMixture) and isinstance(second, PoseGaussianMixture):
        return PoseGaussianMixture.fused([first, second])
    return PoseFullMixture.fused([first, second])


def _averaged(first: WholePoses, second: WholePoses) -> WholePoses:
    """Of two laws of one component the one halfway; with correlations, of averaged covariances."""
    logits, loc = torch.zeros_like(first.logits), (first.loc + second.loc) / 2
    if isinstance(first, PoseGaussianMixture) and isinstance(second, PoseGaussianMixture):
        return PoseGaussianMixture(logits, loc, (first.scale.abs() + second.scale.abs()) / 2)
    covariance = (outer_square(first.scale_tril) + outer_square(second.scale_tril)) / 2
    return PoseFullMixture(logits, loc, cholesky(covariance))


def _taken(pose: WholePoses, which: Int[Tensor, "*L N"]) -> WholePoses:
    """The law of components `which`, in that order."""
    logits = pose.logits.log_softmax(-1).gather(-1, which)
    index = which[..., None, None].expand(*which.shape, *pose.event_shape)
    loc = pose.loc.gather(-3, index)
    if isinstance(pose, PoseGaussianMixture):
        return PoseGaussianMixture(logits, loc, pose.scale.gather(-3, index))
    factor = pose.scale_tril
    index = index[..., None].expand(*index.shape, factor.shape[-1])
    return PoseFullMixture(logits, loc, factor.gather(-4, index))


def _matched(first: WholePoses, second: WholePoses) -> WholePoses:
    """Component by component, each pair as one Gaussian of the same mean and covariance."""
    both = torch.stack([first.logits.log_softmax(-1), second.logits.log_softmax(-1)])
    shares = both.softmax(0)[..., None, None]
    loc = (shares * torch.stack([first.loc, second.loc])).sum(0)
    logits = both.logsumexp(0)
    away = torch.stack([first.loc, second.loc]) - loc
    if isinstance(first, PoseGaussianMixture) and isinstance(second, PoseGaussianMixture):
        variance = (shares * (torch.stack([first.scale, second.scale]).square() + away.square())).sum(0)
        return PoseGaussianMixture(logits, loc, variance.sqrt())
    within = outer_square(torch.stack([first.scale_tril, second.scale_tril]))
    covariance = (shares[..., None] * (within + away[..., :, None] * away[..., None, :])).sum(0)
    return PoseFullMixture(logits, loc, cholesky(covariance))


def _same_moments(first: LocScale, second: LocScale) -> LocScale:
    """The law of the first's family, the same way round, with mean and variances of the equal mixture."""
    mean = (first.mean + second.mean) / 2
    variance = (first.variance + second.variance) / 2 + (first.mean - second.mean).square() / 4
    standard = first.law.summary(first.loc)
    spread = standard.covariance.diagonal(dim1=-2, dim2=-1)
    scale = first.scale.sign() * (variance / spread).sqrt()
    return LocScale(mean - scale * standard.mean, scale, first.law)
