"""OKS constants of one's own keypoints: how far apart people put them, in units of the person's size."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.errors import InputError

PEOPLE_NEEDED = 30
"""Fewer observations of a keypoint than this do not say what its constant is (the interval is wider than +-20 %)."""

RESAMPLES = 500

LARGEST = 0.5
"""A model that is off by half a person does not answer that keypoint at all (some results hold zeros)."""


@dataclass(frozen=True, eq=False)
class SigmaEstimate:
    """Constants of K keypoints.

    Attributes:
        sigma: ``(K,)``; not a number where a keypoint was observed less than `PEOPLE_NEEDED` times.
        low: ``(K,)`` lower end of the 95 % interval (bootstrap over people).
        high: ``(K,)`` its upper end.
        count: ``(K,)`` observations.
    """

    sigma: Float[Tensor, "K"]
    low: Float[Tensor, "K"]
    high: Float[Tensor, "K"]
    count: Int[Tensor, "K"]


def sigmas_from_repeats(
    first: Float[Tensor, "N K 2"],
    second: Float[Tensor, "N K 2"],
    area: Float[Tensor, "N"],
    labelled: Bool[Tensor, "N K"],
    average: Literal["mean", "median"] = "mean",
    seed: int = 0,
) -> SigmaEstimate:
    """COCO's constants from people who were annotated twice: ``sigma_k^2 = E[|a - b|^2 / (2 area)]``.

    COCO defines ``sigma_k^2 = E[d^2 / area]`` with d the Euclidean distance of a label from the true point: it is the
    variance of *both axes together* (along one axis the labels' standard deviation is ``sigma sqrt(area / 2)``). Two
    annotators err independently, so their distance has twice the variance of one of them: hence the 2.

    Args:
        first: one annotator's points, in pixels.
        second: the other's.
        area: the objects' areas in square pixels.
        labelled: where both have a point.
        average: "mean" is the definition. "median" forgives outliers (mirrored or misplaced points) and is scaled so
            that it agrees for Gaussian errors, of which half have ``d^2 < sigma^2 area ln 2``.
        seed: of the bootstrap.

    Raises:
        InputError: no keypoint was labelled twice in `PEOPLE_NEEDED` people, or the two sets of points are the same.
    """
    estimate = _estimate(
        (first - second).double().square().sum(-1) / (2 * area.double()[:, None]), labelled, average, seed
    )
    seen = int(estimate.count.max()) if estimate.count.numel() else 0
    if seen < PEOPLE_NEEDED:
        raise InputError(
            f"expected a keypoint that is labelled twice in at least {PEOPLE_NEEDED} people, found at most {seen} for"
            " each; annotate more people again"
        )
    _refuse_identical(estimate, "annotations by two people")
    return estimate


def sigmas_from_residuals(
    preds: Float[Tensor, "N K 2"],
    target: Float[Tensor, "N K 2"],
    area: Float[Tensor, "N"],
    labelled: Bool[Tensor, "N K"],
    average: Literal["mean", "median"] = "median",
    seed: int = 0,
) -> SigmaEstimate:
    """Upper bounds of the constants from a model's errors: ``sigma_k^2 = E[d^2 / area]``, d from answer to label.

    A model's errors hold the labels' and its own, so the constants come out too large, more so the worse the model;
    what they do tell is which keypoints are harder than which: see `anchored`. A keypoint whose bound is above
    `LARGEST` has not been predicted, and is not a number. Arguments and errors are those of `sigmas_from_repeats`, with
    the median by default, for a model's errors have outliers.
    """
    estimate = _estimate((preds - target).double().square().sum(-1) / area.double()[:, None], labelled, average, seed)
    seen = int(estimate.count.max()) if estimate.count.numel() else 0
    if seen < PEOPLE_NEEDED:
        raise InputError(
            f"expected a keypoint with results for at least {PEOPLE_NEEDED} labelled people, found at most {seen} for"
            " each; give more results"
        )
    _refuse_identical(estimate, "results that are not the annotations themselves")
    answered = estimate.sigma <= LARGEST
    if not bool(answered.any()):
        raise InputError(
            "expected results that are near the annotated people, found none (the errors are as large as the people);"
            " check that both files have the same pixels and keypoint order"
        )
    return SigmaEstimate(
        estimate.sigma.masked_fill(~answered, math.nan),
        estimate.low.masked_fill(~answered, math.nan),
        estimate.high.masked_fill(~answered, math.nan),
        estimate.count,
    )


def anchored(
    estimate: SigmaEstimate, keypoints: Sequence[str], anchors: Mapping[str, float]
) -> tuple[SigmaEstimate, float]:
    """The estimate times one factor, so that keypoints whose constants are known get those (in the geometric mean).

    Args:
        estimate: of `sigmas_from_residuals`.
        keypoints: the K names.
        anchors: known constants by the keypoint's name.

    Returns:
        The estimate, and the factor.

    Raises:
        InputError: none of the anchors has been observed enough.
    """
    known = [k for k, name in enumerate(keypoints) if name in anchors and bool(estimate.sigma[k].isfinite())]
    if not known:
        raise InputError(
            f"expected an anchor among the keypoints with {PEOPLE_NEEDED} observations, found none of"
            f" {', '.join(anchors) or 'no names'}; name others"
        )
    logs = [math.log(anchors[keypoints[k]] / float(estimate.sigma[k])) for k in known]
    factor = math.exp(sum(logs) / len(logs))
    low, high = estimate.low * factor, estimate.high * factor
    return SigmaEstimate(estimate.sigma * factor, low, high, estimate.count), factor


def _estimate(squares: Float[Tensor, "N K"], labelled: Bool[Tensor, "N K"], average: str, seed: int) -> SigmaEstimate:
    """Root of the mean (or the scaled median) of each column, with the bootstrap's 2.5 and 97.5 per cent points."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for k in range(squares.shape[1]):
        values = squares[labelled[:, k], k]
        if len(values) < PEOPLE_NEEDED:
            rows.append([math.nan, math.nan, math.nan])
            continue
        draws = [_middle(values[_resample(len(values), generator, size)], average) for size in _chunks(len(values))]
        ends = torch.cat(draws).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
        rows.append([float(value) for value in (*_middle(values[None], average), *ends)])
    sigma, low, high = torch.tensor(rows, dtype=torch.float64).reshape(-1, 3).clamp_min(0).sqrt().unbind(1)
    return SigmaEstimate(sigma, low, high, labelled.sum(0))


def _middle(values: Float[Tensor, "R n"], average: str) -> Float[Tensor, "R"]:
    # The squared length of a 2-D Gaussian error is exponential: its median is ln 2 times its mean.
    return values.mean(1) if average == "mean" else values.quantile(0.5, dim=1) / math.log(2)


def _resample(count: int, generator: torch.Generator, size: int) -> Int[Tensor, "R n"]:
    return torch.randint(count, (size, count), generator=generator)


def _chunks(count: int) -> list[int]:
    """Resamples per pass: a few million numbers at a time."""
    each = max(1, min(RESAMPLES, 2_000_000 // count))
    return [min(each, RESAMPLES - start) for start in range(0, RESAMPLES, each)]


def _refuse_identical(estimate: SigmaEstimate, expected: str) -> None:
    if bool((estimate.sigma == 0).any()):
        raise InputError(
            f"expected {expected}, found a keypoint with no difference at all (its constant would be 0); give files"
            " that are independent of each other"
        )
