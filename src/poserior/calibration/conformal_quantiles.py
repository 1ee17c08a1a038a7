"""Split conformal prediction: a quantile of held-out errors that holds the next error with a promised probability.

Scores are any measure of error, larger for worse. If the scores of n held-out labels and of the next one are
exchangeable, the next one is at most the ``ceil((n + 1) coverage)``-th smallest of the n with probability `coverage` or
more, whatever their law; without ties with at most ``1 / (n + 1)`` more. Ties can only raise the probability, since the
region is closed: a score equal to the quantile is inside.

Sources: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005 (groups: Mondrian); Lei et al.,
"Distribution-Free Predictive Inference for Regression", JASA 2018; Tibshirani et al., "Conformal Prediction Under
Covariate Shift", NeurIPS 2019 (weights).
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.errors import InputError

ROUNDING = 1e-9  # 0.9 is no binary number: (n + 1) 0.9 must not become a whole number and a little


def checked_coverage(coverage: float) -> float:
    """The coverage itself.

    Raises:
        InputError: it does not lie in (0, 1).
    """
    if not 0 < coverage < 1:
        raise InputError(f"expected a coverage between 0 and 1, found {coverage:g}; give 0.9 for 90 %")
    return coverage


def labels_needed(coverage: float) -> int:
    """The least number of held-out labels from which a finite region follows: ``n >= coverage / (1 - coverage)``.

    >>> [labels_needed(coverage) for coverage in (0.5, 0.8, 0.9, 0.95, 0.99)]
    [1, 4, 9, 19, 99]
    """
    checked_coverage(coverage)
    return max(math.ceil(coverage / (1 - coverage) - ROUNDING), 1)


def conformal_quantile(
    scores: Float[Tensor, "N"],
    coverage: float,
    weights: Float[Tensor, "N"] | None = None,
    test_weight: Float[Tensor, "*M"] | None = None,
) -> Float[Tensor, "*M"]:
    """The bound that the next score keeps with probability `coverage` or more; infinite if there are too few scores.

    With weights ``w(x) = dP_test(x) / dP_calibration(x)`` (known up to a factor, e.g. from `shift_weights`) the same
    holds for a test point from another law of x: the smallest score s with
    ``sum of w_i over scores <= s  >=  coverage (sum of all w_i + w_test)``. Every test point has a bound of its own.

    Args:
        scores: of the held-out labels, in any order.
        coverage: the promised probability, in (0, 1).
        weights: of the held-out labels, not negative; all 1 if not given.
        test_weight: of the test points; together with `weights`.

    Returns:
        One bound (no weights), or one for every test weight.

    Raises:
        InputError: a coverage outside (0, 1); scores that are not numbers; negative or missing weights.

    >>> errors = torch.arange(1.0, 10.0)
    >>> conformal_quantile(errors, 0.9).item(), conformal_quantile(errors, 0.91).item()
    (9.0, inf)
    """
    checked_coverage(coverage)
    if bool(scores.isnan().any()):
        raise InputError("expected scores that are numbers, found NaN; leave those labels out or call them infinite")
    if (weights is None) != (test_weight is None):
        raise InputError("expected weights of the held-out labels and of the test points, found one of them; give both")
    if weights is None or test_weight is None:
        weights, test_weight = torch.ones_like(scores), scores.new_ones(())
    if not bool((weights >= 0).all() and (test_weight >= 0).all() and weights.isfinite().all()):
        raise InputError("expected weights that are finite and not negative, found others; check the classifier")
    ordered, order = scores.sort()
    reached = weights[order].double().cumsum(0)
    total = weights.double().sum() + test_weight.double()
    place = torch.searchsorted(reached, coverage * (1 - ROUNDING) * total)
    place = torch.where(total > 0, place, len(ordered))
    return torch.cat([ordered, ordered.new_full((1,), math.inf)])[place]


def group_edges(covariate: Float[Tensor, "N K"], labelled: Bool[Tensor, "N K"], groups: int) -> Float[Tensor, "K E"]:
    """Edges that cut every keypoint's labels into `groups` parts of equal number: values of some of the labels.

    Those labels themselves belong to no group (see `sorted_by_group`). Given the edges, the labels between two of them
    are then exchangeable with a test point that falls between them: the guarantee within groups is exact although the
    edges come from the same data. A keypoint without enough labels has edges of minus infinity.
    """
    counts = labelled.sum(0)
    if groups == 1 or not len(covariate):
        return covariate.new_full((len(counts), groups - 1), -math.inf)
    ordered = torch.where(labelled, covariate, math.inf).sort(0).values
    places = torch.arange(1, groups)[:, None] * counts // groups
    edges = ordered.gather(0, places.clamp_max(len(ordered) - 1))
    return torch.where(counts >= groups, edges, -math.inf).mT.contiguous()


def sorted_by_group(
    scores: Float[Tensor, "N K"],
    covariate: Float[Tensor, "N K"],
    labelled: Bool[Tensor, "N K"],
    edges: Float[Tensor, "K E"],
) -> tuple[Float[Tensor, "G K M"], Int[Tensor, "G K"]]:
    """The labels' scores in order, infinite where there are no more, and their numbers.

    The first group holds all labels of a keypoint; where there are edges, the others hold those strictly between two
    neighbouring edges. Scores that are not numbers count as infinite.
    """
    parts = [labelled]
    if edges.shape[1]:
        place = group_of(covariate, edges)
        apart = labelled & (covariate[..., None] != edges).all(-1)
        parts += [apart & (place == g) for g in range(edges.shape[1] + 1)]
    scores = scores.nan_to_num(nan=math.inf, posinf=math.inf)
    chosen = torch.stack([torch.where(part, scores, math.inf) for part in parts])
    counts = torch.stack([part.sum(0) for part in parts])
    most = max(int(counts.max()), 1)
    return chosen.movedim(1, -1).sort(-1).values[..., :most].contiguous(), counts


def group_of(covariate: Float[Tensor, "B K"], edges: Float[Tensor, "K E"]) -> Int[Tensor, "B K"]:
    """The number of edges that are not above the covariate."""
    return (covariate[..., None] >= edges).sum(-1)


def grouped_quantile(
    scores: Float[Tensor, "G K M"],
    counts: Int[Tensor, "G K"],
    edges: Float[Tensor, "K E"],
    covariate: Float[Tensor, "B K"],
    coverage: float,
) -> Float[Tensor, "B K"]:
    """`conformal_quantile` of the group that each test point falls into.

    A keypoint of which any group has too few labels for the coverage takes its bound from all its labels, in all
    groups: mixing the two kinds of bounds would keep no promise, neither by group nor over all. Where even all are too
    few the bound is infinite.

    Args:
        scores: from `sorted_by_group`.
        counts: their numbers.
        edges: between the groups.
        covariate: of the test points.
        coverage: the promised probability, in (0, 1).
    """
    return group_bounds(scores, counts, coverage).gather(0, group_of(covariate, edges))


def group_bounds(scores: Float[Tensor, "L K M"], counts: Int[Tensor, "L K"], coverage: float) -> Float[Tensor, "G K"]:
    """The bounds of every group, as `grouped_quantile` gives them to points of that group."""
    checked_coverage(coverage)
    ranks = ((counts + 1).double() * (coverage * (1 - ROUNDING))).ceil().long()
    enough = ranks <= counts
    bounds = scores.gather(-1, (ranks - 1).clamp(0, scores.shape[-1] - 1)[..., None])[..., 0]
    bounds = torch.where(enough, bounds, math.inf)
    return bounds if len(bounds) == 1 else torch.where(enough[1:].all(0), bounds[1:], bounds[0])
