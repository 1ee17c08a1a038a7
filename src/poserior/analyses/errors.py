"""The labels' errors in units of the predicted density, on which the analyses of densities rest."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.crops import batches, predict
from poserior.distributions import Distribution
from poserior.errors import InputError
from poserior.geometry import affine_zoom
from poserior.models import ModelSpec, Regressor
from poserior.structures import Sample

LAWS = 24
"""Predicted densities that are kept, spread over the data."""


@dataclass(frozen=True, eq=False)
class Errors:
    """M labelled keypoints: ``u = (label - mean) / std`` along each axis, by the density predicted for them.

    Attributes:
        u: ``(M, 2)``.
        joint: ``(M,)`` which keypoint.
        person: ``(M,)`` whose, from 0.
        log_std: ``(M,)`` sum over the axes of the log predicted standard deviation, crop-normalised: a law q of u is
            the density ``q(u) exp(-log_std)`` of the label.
        log_prob: ``(M,)`` log density of the label, crop-normalised nats.
        laws: some of the predicted densities, for their shape: ``batch_shape (1,)``.
        true_log_prob: ``(M,)`` the same under the law the labels were drawn from; None where unknown.
        true_draws: ``(M', 2)`` draws of those laws in their own standard deviations; None where unknown.
    """

    u: Float[Tensor, "M 2"]
    joint: Int[Tensor, "M"]
    person: Int[Tensor, "M"]
    log_std: Float[Tensor, "M"]
    log_prob: Float[Tensor, "M"]
    laws: list[Distribution]
    true_log_prob: Float[Tensor, "M"] | None = None
    true_draws: Float[Tensor, "D 2"] | None = None


@torch.no_grad()
def collect_errors(
    model: Regressor,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    title: str = "errors",
) -> Errors:
    """Predict everybody (no flip test) and set the labels' errors against the predicted densities.

    Args:
        model: the regressor, on its device.
        spec: what it was built from.
        dataset: people in whole pictures, of the model's skeleton.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar.
        title: what the bar is called.

    Raises:
        InputError: nothing is labelled, or the data cannot be used.
    """
    columns: list[tuple[Tensor, ...]] = []
    laws: list[Distribution] = []
    truths: list[tuple[Tensor, Tensor] | None] = []
    seen = 0
    every = max(1, len(dataset) // LAWS)  # type: ignore[arg-type]  # torch's Dataset does not declare its length
    for people, images, target in batches(dataset, spec, title, batch_size, workers, progress):
        (law,) = predict(model, images, batch_size)
        place, joint = target.labelled.nonzero(as_tuple=True)
        chosen = law[place.to(law.mean.device), joint.to(law.mean.device)]
        label = target.keypoints.to(law.mean)[place, joint]
        std = chosen.variance.clamp_min(1e-24).sqrt()
        values = ((label - chosen.mean) / std, std.log().sum(-1), chosen.log_prob(label))
        columns.append((*(value.float().cpu() for value in values), joint, place + seen))
        for b, person in enumerate(people):
            if (seen + b) % every == 0 and len(laws) < LAWS:
                laws.append(law[b, [(seen + b) // every % spec.skeleton.num_keypoints]])
            truths.append(_truth(person, target.labelled[b], float(affine_zoom(target.crop[b])), spec))
        seen += len(people)
    u, log_std, log_prob, joint, person_number = (torch.cat(parts) for parts in zip(*columns, strict=True))
    if not len(u):
        raise InputError("expected labelled keypoints to analyse, found none; check the annotations")
    known = [truth for truth in truths if truth is not None]
    return Errors(
        u,
        joint,
        person_number,
        log_std,
        log_prob,
        laws,
        torch.cat([log_prob for log_prob, _ in known]) if len(known) == len(truths) else None,
        torch.cat([draws for _, draws in known]) if len(known) == len(truths) else None,
    )


def _truth(
    person: Sample, labelled: Tensor, zoom: float, spec: ModelSpec, draws: int = 16
) -> tuple[Tensor, Tensor] | None:
    """The labels' log density under their own law, in crop-normalised nats, and draws of it in its own deviations."""
    if person.label_law is None:
        return None
    height, width = spec.image_size
    # image pixels to crop-normalised: a pixel is zoom / width wide and zoom / height high there
    jacobian = torch.log(torch.tensor(width * height / zoom**2))
    log_prob = (person.label_law.log_prob(person.keypoints) + jacobian)[labelled]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(person.annotation_id % 2**31)
        drawn = person.label_law.sample((256 + draws,))[:, labelled]
    reference, drawn = drawn[:256], drawn[256:]
    # Measured rather than asked for: a law may have no finite variance. Its outermost per cent is left aside then.
    bounded = reference.clamp(reference.quantile(0.005, 0), reference.quantile(0.995, 0))
    mean, std = bounded.mean(0), bounded.std(0)
    try:
        stated = person.label_law.mean[labelled], person.label_law.stddev[labelled]
        fine = stated[0].isfinite() & stated[1].isfinite() & (stated[1] > 0)
        mean, std = torch.where(fine, stated[0], mean), torch.where(fine, stated[1], std)
    except NotImplementedError:
        pass
    return log_prob.float(), ((drawn - mean) / std.clamp_min(1e-12)).flatten(0, 1).float()
