"""The law of a model's errors: what it learned, what the labels say, and what simpler laws make of them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.errors import Errors, collect_errors
from poserior.distributions import Distribution
from poserior.models import ModelSpec, Regressor
from poserior.structures import Sample

REACH, POINTS = 8.0, 161
"""Half the grid's side in predicted standard deviations, and its points per axis."""


@dataclass(frozen=True, eq=False)
class Density:
    """Laws of the standardised error ``u = (label - mean) / std``, and how likely each makes the labels.

    Attributes:
        errors: ``(M, 2)`` the labels' actual u.
        axis: ``(G,)`` the grid along either axis.
        learned: ``(G, G)`` density of u that the model predicts (of several shapes their mean), u_x first.
        gaussian_loc: ``(2,)`` of the Gaussian fitted to the errors, axis by axis; its mean.
        gaussian_scale: ``(2,)`` its standard deviation.
        laplace_loc: ``(2,)`` of the Laplace fitted to the errors; its median.
        laplace_scale: ``(2,)`` its mean absolute deviation.
        true_draws: ``(M', 2)`` the labels' own law in its own standard deviations; None where unknown.
        log_likelihood: mean log density of a label in crop-normalised nats per keypoint, by law: ``learned``,
            ``laplace``, ``gaussian``, and ``true`` where known.
        standard_error: of each law's difference from ``learned``, people being independent.
    """

    errors: Float[Tensor, "M 2"]
    axis: Float[Tensor, "G"]
    learned: Float[Tensor, "G G"]
    gaussian_loc: Float[Tensor, "2"]
    gaussian_scale: Float[Tensor, "2"]
    laplace_loc: Float[Tensor, "2"]
    laplace_scale: Float[Tensor, "2"]
    true_draws: Float[Tensor, "D 2"] | None
    log_likelihood: dict[str, float]
    standard_error: dict[str, float]


def density(
    model: Regressor,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    title: str = "density",
) -> Density:
    """The learned law beside a Laplace and a Gaussian fitted to the same errors and, where known, the true law.

    The fitted laws use the model's own means and standard deviations; only the shape is theirs, so that the likelihoods
    differ by the shape alone. Each has four numbers, fitted by maximum likelihood to the labels it is then judged on.

    Source: Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021, Figure 4.

    Args:
        model: the regressor, on its device.
        spec: what it was built from.
        dataset: people in whole pictures, of the model's skeleton.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar.
        title: what the bar is called.
    """
    return laws_of(collect_errors(model, spec, dataset, batch_size, workers, progress, title))


def laws_of(errors: Errors) -> Density:
    """Fit, draw and judge the laws of collected errors."""
    u = errors.u
    mean, std = u.mean(0), u.std(0, correction=0).clamp_min(1e-12)
    median = u.median(0).values
    deviation = (u - median).abs().mean(0).clamp_min(1e-12)
    z = (u - mean) / std
    gaussian = (-0.5 * z.square() - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
    laplace = (-(u - median).abs() / deviation - (2 * deviation).log()).sum(-1)
    parts = {
        "learned": errors.log_prob,
        "laplace": laplace - errors.log_std,
        "gaussian": gaussian - errors.log_std,
    }
    if errors.true_log_prob is not None:
        parts["true"] = errors.true_log_prob
    axis = torch.linspace(-REACH, REACH, POINTS)
    return Density(
        u,
        axis,
        _mean_density(errors.laws, axis),
        mean,
        std,
        median,
        deviation,
        errors.true_draws,
        {name: float(values.double().mean()) for name, values in parts.items()},
        {name: error_of_mean(values - errors.log_prob, errors.person) for name, values in parts.items()},
    )


def error_of_mean(values: Float[Tensor, "M"], person: Tensor) -> float:
    """Standard error of the values' mean where only people are independent, not the keypoints of one.

    >>> round(error_of_mean(torch.tensor([1.0, 1.0, 3.0, 3.0]), torch.tensor([0, 0, 1, 1])), 4)
    1.0
    """
    excess = values.double() - values.double().mean()
    sums = torch.zeros(int(person.max()) + 1, dtype=torch.float64).index_add(0, person, excess)
    groups = int((torch.bincount(person) > 0).sum())
    if groups < 2:
        return 0.0
    return float((sums.square().sum() * groups / (groups - 1)).sqrt() / len(values))


@torch.no_grad()
def _mean_density(laws: list[Distribution], axis: Tensor) -> Tensor:
    """``mean_n p_n(mean_n + std_n u) prod std_n`` on the grid: the laws' shape, whatever their place and size."""
    grid = torch.cartesian_prod(axis, axis)
    total = torch.zeros(len(grid))
    for law in laws:
        mean, std = law.mean, law.variance.clamp_min(1e-24).sqrt()
        at = mean + std * grid[:, None].to(mean)
        total += (law.log_prob(at) + std.log().sum(-1)).exp()[:, 0].float().cpu()
    return (total / len(laws)).reshape(len(axis), len(axis))
