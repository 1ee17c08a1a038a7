"""A model on a data set with labels: the record that metrics and reports are made of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution as TorchDistribution
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from poserior.errors import InputError
from poserior.inference.answers import answer
from poserior.inference.regions import ellipse_radius
from poserior.models import Model, ModelSpec
from poserior.structures import Evaluation, Sample, Target
from poserior.transforms import TopDown, collate

VALUES = 20_000
"""At most so many standardised errors and draws are kept."""

Batch = tuple[list[Sample], Tensor, Target]


def evaluate_model(
    model: Model,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    name: str,
    flip_test: bool = True,
    batch_size: int = 64,
    progress: bool = True,
    num_workers: int = 0,
) -> Evaluation:
    """Predict every person of a data set in its own box, and set the answers beside the labels.

    The log density is that of the labels in crop-normalised nats under the density that is predicted (the fused one
    with a flip test); the confidence takes the object's area from the box, as at prediction time, while `area` is the
    annotated one. Where a keypoint is not labelled, `log_prob` and `credible_level` are 0.

    Args:
        model: a regressor or an ensemble; it is put in eval mode, and runs where its parameters are.
        spec: what it was built from.
        dataset: whole pictures with one person each, of the model's skeleton.
        name: what tables call the result.
        flip_test: fuse every density with the mirrored crop's.
        batch_size: crops per pass.
        progress: show a bar on stderr.
        num_workers: processes that read and crop.

    Raises:
        InputError: the data set is empty, or its people have another number of keypoints than the model.
    """
    device = next(model.parameters()).device
    model.eval()
    crops = _Crops(dataset, spec)
    if not len(crops):
        raise InputError("expected at least one labelled person to evaluate on, found none; check the annotations")
    loader: DataLoader[Batch] = DataLoader(
        crops,  # type: ignore[arg-type]  # a data set gives (whole, crop) pairs, the collation makes batches of them
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=_collate,
        generator=torch.Generator(),  # the loader draws a seed for its workers: not from the global state
    )
    draws_each = min(max(VALUES // (2 * len(crops) * spec.skeleton.num_keypoints), 1), 16)
    parts: list[dict[str, Tensor]] = []
    wholes: list[Sample] = []
    for seed, (samples, images, target) in enumerate(tqdm(loader, desc=f"evaluate {name}", disable=not progress)):
        with torch.no_grad(), _seeded(seed, device):
            parts.append(_measure(model, spec, samples, images.to(device), target, flip_test, draws_each))
        wholes += samples
    joined = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    standardised = {key: _thin(joined.pop(key)) for key in ("error_draws", "errors", "label_draws")}
    return Evaluation(
        name=name,
        skeleton=spec.skeleton,
        image_id=tuple(sample.image_id for sample in wholes),
        annotation_id=tuple(sample.annotation_id for sample in wholes),
        target=torch.stack([sample.keypoints for sample in wholes]).float(),
        target_visibility=torch.stack([sample.visibility for sample in wholes]),
        area=torch.tensor([float(sample.area) for sample in wholes]),
        box_xyxy=torch.stack([sample.box_xyxy for sample in wholes]).float(),
        **joined,
        error_draws=standardised["error_draws"],
        errors=standardised["errors"],
        label_draws=standardised["label_draws"] if len(standardised["label_draws"]) else None,
    )


def _measure(
    model: Model,
    spec: ModelSpec,
    samples: list[Sample],
    images: Tensor,
    target: Target,
    flip_test: bool,
    draws_each: int,
) -> dict[str, Tensor]:
    """The columns of the record for one batch, on the CPU."""
    answers = answer(model, spec, images, target, flip_test)
    labelled = target.labelled
    keep = labelled.to(images.device)
    law, labels = answers.distribution[keep], target.keypoints.to(answers.mode)[keep]
    mean, spread = law.mean, law.variance.clamp_min(1e-24).sqrt()
    columns = {
        "keypoints": answers.mode,
        "mean": answers.mean,
        "covariance": answers.covariance,
        "confidence": answers.confidence,
        "visibility": answers.visibility,
        "score": answers.score,
        "log_prob": _spread(law.log_prob(labels), keep),
        "credible_level": _spread(law.credible_level(labels), keep),
        "ellipse_radius": ellipse_radius(answers.distribution, 0.9),
        "errors": ((labels - mean) / spread).flatten(),
        "error_draws": ((law.sample((draws_each,)) - mean) / spread).flatten(),
    }
    columns = {key: value.float().cpu() for key, value in columns.items()}
    columns["score"] = columns["score"] * torch.tensor([sample.score for sample in samples])
    drawn = [
        standardised_draws(sample.label_law, labelled[b], draws_each)
        for b, sample in enumerate(samples)
        if sample.label_law is not None and bool(labelled[b].any())
    ]
    columns["label_draws"] = torch.cat(drawn) if drawn else torch.zeros(0)
    return columns


def _spread(values: Float[Tensor, "M"], keep: Bool[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    """Values of the kept places, in place; 0 elsewhere."""
    return torch.zeros(keep.shape, dtype=values.dtype, device=values.device).masked_scatter(keep, values)


def standardised_draws(
    law: TorchDistribution, keep: Bool[Tensor, "K"], count: int, trials: int = 256
) -> Float[Tensor, "M"]:
    """Draws of a law along its axes, less its mean, in its own standard deviations.

    A law without a finite variance (or one that does not know it) is measured by `trials` draws instead, of which the
    outermost half per cent on each side count as the bound of the rest.

    Args:
        law: ``batch_shape (K,)``, ``event_shape (2,)``.
        keep: which keypoints to draw.
        count: draws per keypoint.
        trials: draws for the moments.

    Returns:
        ``count x K' x 2`` values in a row.
    """
    draws = law.sample((trials + count,))[:, keep].double()
    reference, draws = draws[:trials], draws[trials:]
    bounded = reference.clamp(reference.quantile(0.005, 0), reference.quantile(0.995, 0))
    mean, std = bounded.mean(0), bounded.std(0)
    try:
        known_mean, known_std = law.mean[keep].double(), law.stddev[keep].double()
    except NotImplementedError:
        pass
    else:
        known = known_mean.isfinite() & known_std.isfinite() & (known_std > 0)
        mean, std = torch.where(known, known_mean, mean), torch.where(known, known_std, std)
    return ((draws - mean) / std.clamp_min(1e-12)).flatten().float()


class _Crops(Dataset[tuple[Sample, Sample]]):
    """Each person as (what the labels say, the crop)."""

    def __init__(self, dataset: Dataset[Sample], spec: ModelSpec) -> None:
        self.dataset, self.spec = dataset, spec
        self.crop = TopDown(spec.image_size, spec.box_padding)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare its length

    def __getitem__(self, index: int) -> tuple[Sample, Sample]:
        whole = self.dataset[index]
        if len(whole.keypoints) != self.spec.skeleton.num_keypoints:
            raise InputError(
                f"expected {self.spec.skeleton.num_keypoints} keypoints ({self.spec.skeleton.name}, the model's"
                f" skeleton), found {len(whole.keypoints)} in {whole.source or whole.image_id};"
                " evaluate on data with the model's keypoints"
            )
        # A batch of whole pictures would only fill the memory: the record needs what is written about them.
        return replace(whole, image=whole.image[:1, :1]), self.crop(whole)


def _collate(pairs: list[tuple[Sample, Sample]]) -> Batch:
    images, target = collate([crop for _, crop in pairs])
    return [whole for whole, _ in pairs], images, target


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The random numbers inside depend on `seed` alone, and those outside on nothing inside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


def _thin(values: Float[Tensor, "M"]) -> Tensor:
    """At most `VALUES` of the values, always the same."""
    if len(values) <= VALUES:
        return values
    return values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))[:VALUES]]
