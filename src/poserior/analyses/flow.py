"""Is the law of the errors the same for every keypoint? RLE and DLE share one flow among all: does that cost?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.density import error_of_mean
from poserior.analyses.errors import Errors, collect_errors
from poserior.analyses.kernel import KernelDensity
from poserior.errors import InputError
from poserior.models import ModelSpec, Regressor
from poserior.skeletons import Skeleton
from poserior.structures import Sample

DOUBT = 10
"""Labels that count as much as the belief that a keypoint is like all others, where it is moved and scaled."""
SHARES = (0.25, 0.5, 0.75, 0.9)
"""How much of a keypoint's own density its own errors may have; or nothing."""


@dataclass(frozen=True, eq=False)
class JointErrors:
    """What is special about each keypoint's standardised error ``u = (label - mean) / std``, K keypoints.

    The gains are measured on people that the densities were not fitted to (two halves of the people, each judged by
    the fit to the other), in nats per keypoint against one density fitted to all keypoints in the same way.

    Attributes:
        skeleton: what the keypoints are.
        errors: ``(M, 2)`` all u.
        joint: ``(M,)`` which keypoint.
        count: ``(K,)`` labels.
        mean: ``(K, 2)`` 0 if the predicted mean is right.
        std: ``(K, 2)`` 1 if the predicted spread is right.
        skew: ``(K, 2)`` 0 for a symmetric law.
        kurtosis: ``(K, 2)`` excess: 0 for a Gaussian, 3 for a Laplace.
        nll: ``(K,)`` -log density of the labels as the model predicts it, crop-normalised nats.
        shared_nll: ``(K,)`` the same under one density of u refitted to all keypoints.
        moved_gain: ``(K,)`` what moving and scaling that density for each keypoint wins: 4 numbers for each.
        own_gain: ``(K,)`` what a density of its own for each keypoint wins.
        moved_gain_error: ``(K,)`` standard error.
        own_gain_error: ``(K,)`` standard error.
        mean_gains: the two gains over all labels, with their standard errors.
    """

    skeleton: Skeleton
    errors: Float[Tensor, "M 2"]
    joint: Int[Tensor, "M"]
    count: Float[Tensor, "K"]
    mean: Float[Tensor, "K 2"]
    std: Float[Tensor, "K 2"]
    skew: Float[Tensor, "K 2"]
    kurtosis: Float[Tensor, "K 2"]
    nll: Float[Tensor, "K"]
    shared_nll: Float[Tensor, "K"]
    moved_gain: Float[Tensor, "K"]
    own_gain: Float[Tensor, "K"]
    moved_gain_error: Float[Tensor, "K"]
    own_gain_error: Float[Tensor, "K"]
    mean_gains: dict[str, tuple[float, float]]


def joint_errors(
    model: Regressor,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    title: str = "flow",
) -> JointErrors:
    """Moments of each keypoint's errors, and what densities of their own would win.

    Args:
        model: the regressor, on its device.
        spec: what it was built from.
        dataset: people in whole pictures, of the model's skeleton; two at least.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar.
        title: what the bar is called.
    """
    errors = collect_errors(model, spec, dataset, batch_size, workers, progress, title)
    return by_joint(errors, spec.skeleton)


def by_joint(errors: Errors, skeleton: Skeleton) -> JointErrors:
    """What `joint_errors` says, of errors already collected."""
    number = skeleton.num_keypoints
    half = errors.person % 2
    if not 0 < int(half.sum()) < len(half):
        raise InputError("expected labels of at least two people in a row, for two halves, found fewer; give more data")
    log_probs = torch.zeros(3, len(errors.u))  # shared, moved, own
    for part in (0, 1):
        fit, judge = half == part, half != part
        log_probs[:, judge] = _refitted(errors.u[fit], errors.joint[fit], errors.u[judge], errors.joint[judge])
    shared, moved, own = log_probs
    gains = {"moved": moved - shared, "own": own - shared}
    moments = torch.stack([_moments(errors.u[errors.joint == k]) for k in range(number)], 1)
    first, second, third, fourth = moments.unbind()

    def mean(values: Tensor) -> Tensor:
        return torch.stack([values[errors.joint == k].mean() for k in range(number)])

    def error(values: Tensor) -> Tensor:
        places = [errors.joint == k for k in range(number)]
        return torch.tensor(
            [error_of_mean(values[k], errors.person[k]) if bool(k.any()) else torch.nan for k in places]
        )

    return JointErrors(
        skeleton,
        errors.u,
        errors.joint,
        torch.bincount(errors.joint, minlength=number).float(),
        mean=first,
        std=second,
        skew=third,
        kurtosis=fourth,
        nll=mean(-errors.log_prob),
        shared_nll=mean(errors.log_std - shared),
        moved_gain=mean(gains["moved"]),
        own_gain=mean(gains["own"]),
        moved_gain_error=error(gains["moved"]),
        own_gain_error=error(gains["own"]),
        mean_gains={name: (float(gain.mean()), error_of_mean(gain, errors.person)) for name, gain in gains.items()},
    )


def _moments(u: Float[Tensor, "M 2"]) -> Float[Tensor, "4 2"]:
    """Mean, standard deviation, skew and excess kurtosis."""
    mean, std = u.mean(0), u.std(0, correction=0)
    z = (u - mean) / std
    return torch.stack([mean, std, z.pow(3).mean(0), z.pow(4).mean(0) - 3])


def _refitted(
    u: Float[Tensor, "F 2"], joint: Int[Tensor, "F"], judged: Float[Tensor, "J 2"], judged_joint: Int[Tensor, "J"]
) -> Float[Tensor, "3 J"]:
    """Log densities of `judged` under one law for all keypoints, that law moved and scaled, and one for each.

    Everything is fitted to `u` alone. A keypoint's own density is a mixture of the moved law and a kernel density of
    its own errors; its width and share are those that make each error likeliest when it is left out, the share may be
    nothing: with few labels it stays with the shared law rather than invent one.
    """
    shared = KernelDensity(u)
    base = shared.log_prob(judged)
    moved, own = base.clone(), base.clone()
    for k in torch.unique(joint).tolist():
        mine, asked = u[joint == k], judged_joint == k
        shift, log_scale = _place(mine, u)
        mine, place = (mine - shift) * torch.exp(-log_scale), (judged[asked] - shift) * torch.exp(-log_scale)
        by_shared, jacobian = shared.log_prob(place), log_scale.sum()
        moved[asked] = by_shared - jacobian
        own[asked] = by_shared - jacobian
        if len(mine) < 2:
            continue
        alone = KernelDensity(mine)
        likely, left_out = shared.log_prob(mine), alone.left_out
        shares = torch.tensor(SHARES)
        mixed = torch.logaddexp(likely + torch.log1p(-shares)[:, None], left_out + shares.log()[:, None]).mean(1)
        best = int(mixed.argmax())
        if mixed[best] > likely.mean():
            share = shares[best]
            own[asked] = (
                torch.logaddexp(by_shared + torch.log1p(-share), alone.log_prob(place) + share.log()) - jacobian
            )
    return torch.stack([base, moved, own])


def _place(mine: Float[Tensor, "M 2"], everybody: Float[Tensor, "F 2"]) -> tuple[Tensor, Tensor]:
    """Shift and log scale that take the law of all to a keypoint's: by median and mean deviation, drawn to (0, 0)."""
    trust = len(mine) / (len(mine) + DOUBT)
    median, all_median = mine.median(0).values, everybody.median(0).values
    deviation = (mine - median).abs().mean(0).clamp_min(1e-6)
    all_deviation = (everybody - all_median).abs().mean(0).clamp_min(1e-6)
    log_scale = trust * (deviation / all_deviation).log()
    return trust * (median - all_median * torch.exp(log_scale)), log_scale
