"""People of a data set as batches of crops, and a model's answers to them in image pixels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from poserior.distributions import Distribution
from poserior.errors import InputError
from poserior.geometry import covariance_to_image, crop_to_image, oks_widths
from poserior.models import ModelSpec, Regressor
from poserior.structures import Sample, Target
from poserior.transforms import TopDown, collate

Views = Callable[[Sample], Sequence[Sample]]


class Batch(NamedTuple):
    """People (without their pictures), and the crops of all their views: RGB 0..255, person by person."""

    people: list[Sample]
    images: UInt8[Tensor, "N 3 H W"]
    target: Target


class Points(NamedTuple):
    """Modes ``(N, K, 2)`` and spreads ``(N, K)``, the root of the covariance's trace, in image pixels."""

    keypoints: Float[Tensor, "N K 2"]
    spread: Float[Tensor, "N K"]


class Judged(NamedTuple):
    """V views of B people: modes and covariances in image pixels, and the model's verdict on them, on the CPU."""

    keypoints: Float[Tensor, "B V K 2"]
    covariance: Float[Tensor, "B V K 2 2"]
    confidence: Float[Tensor, "B V K"]
    visibility: Float[Tensor, "B V K"]


class _Crops(Dataset[tuple[Sample, list[Sample]]]):
    def __init__(self, dataset: Dataset[Sample], spec: ModelSpec, views: Views) -> None:
        self.dataset, self.skeleton, self.views = dataset, spec.skeleton, views
        self.crop = TopDown(spec.image_size, spec.box_padding)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]  # torch's Dataset does not declare its length

    def __getitem__(self, index: int) -> tuple[Sample, list[Sample]]:
        whole = self.dataset[index]
        if len(whole.keypoints) != self.skeleton.num_keypoints:
            raise InputError(
                f"expected {self.skeleton.num_keypoints} keypoints ({self.skeleton.name}, the model's skeleton),"
                f" found {len(whole.keypoints)} in {whole.source or whole.image_id};"
                " analyse on data with the model's keypoints"
            )
        return replace(whole, image=whole.image[:1, :1]), [self.crop(view) for view in self.views(whole)]


def as_it_is(person: Sample) -> Sequence[Sample]:
    """One view: nothing is done to the person."""
    return [person]


def batches(
    dataset: Dataset[Sample],
    spec: ModelSpec,
    title: str,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    views: Views = as_it_is,
) -> Iterator[Batch]:
    """The crops of a data set's people, in order, with a progress bar.

    Args:
        dataset: people in whole pictures, of the model's skeleton.
        spec: the crops' size and padding.
        title: what the bar is called.
        batch_size: people per batch.
        workers: processes that read and crop.
        progress: show the bar.
        views: what is cropped of a person; equally many views of everybody.

    Raises:
        InputError: there is nobody, or somebody has another number of keypoints.
    """
    crops = _Crops(dataset, spec, views)
    if not len(crops):
        raise InputError("expected at least one labelled person to analyse, found none; check the annotations")
    loader: DataLoader[Batch] = DataLoader(
        crops,  # type: ignore[arg-type]  # the collation makes batches of the data set's pairs
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator(),  # the loader draws a seed for its workers: not from the global state
    )
    with tqdm(total=len(crops), desc=title, unit="person", disable=not progress) as bar:
        for batch in loader:
            yield batch
            bar.update(len(batch.people))


def _collate(pairs: list[tuple[Sample, list[Sample]]]) -> Batch:
    images, target = collate([crop for _, crops in pairs for crop in crops])
    return Batch([person for person, _ in pairs], images, target)


@torch.no_grad()
def predict(model: Regressor, images: UInt8[Tensor, "N 3 H W"], batch_size: int = 64) -> list[Distribution]:
    """The densities of many crops, at most `batch_size` per pass; no flip test: the model itself is looked at."""
    model.eval()
    device = next(model.parameters()).device
    return [model(part.to(device).float() / 255) for part in torch.split(images, batch_size)]


@torch.no_grad()
def points(
    model: Regressor, spec: ModelSpec, images: UInt8[Tensor, "N 3 H W"], crop: Float[Tensor, "N 2 3"], batch_size: int
) -> Points:
    """Modes and spreads of many crops in image pixels, on the CPU."""
    parts = []
    for law, maps in zip(predict(model, images, batch_size), torch.split(crop, batch_size), strict=True):
        maps = maps.to(law.mean.device)
        covariance = covariance_to_image(law.covariance, maps, spec.image_size)
        spread = covariance.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(0).sqrt()
        parts.append((crop_to_image(law.mode, maps, spec.image_size).float().cpu(), spread.float().cpu()))
    return Points(torch.cat([mode for mode, _ in parts]), torch.cat([spread for _, spread in parts]))


@torch.no_grad()
def judged(
    model: Regressor,
    spec: ModelSpec,
    images: UInt8[Tensor, "N 3 H W"],
    crop: Float[Tensor, "B 2 3"],
    box_xyxy: Float[Tensor, "B 4"],
    views: int,
    batch_size: int,
) -> Judged:
    """What the model answers to `views` pictures of each person's crop, and what it thinks of its answers.

    As at prediction time the object's area, which the confidence depends on, is ``spec.area_per_box`` times the box's.
    """
    model.eval()
    device = next(model.parameters()).device
    sigmas = torch.tensor(spec.skeleton.oks_sigmas)
    area = spec.expected_area(box_xyxy).float()
    widths = oks_widths(area, sigmas, crop, spec.image_size).repeat_interleave(views, 0)
    parts: list[tuple[Tensor, ...]] = []
    for part, maps, width in zip(
        *(torch.split(values, batch_size) for values in (images, crop.repeat_interleave(views, 0), widths)), strict=True
    ):
        law, features = model.predict(part.to(device).float() / 255)
        verdict = model.judge(law, features, width.to(law.mode))
        maps = maps.to(law.mean.device)
        covariance = covariance_to_image(law.covariance, maps, spec.image_size)
        parts.append((crop_to_image(law.mode, maps, spec.image_size), covariance, *verdict))
    joined = (torch.cat(column).float().cpu() for column in zip(*parts, strict=True))
    return Judged(*(values.reshape(len(crop), views, *values.shape[1:]) for values in joined))


def labels(people: Sequence[Sample]) -> tuple[Float[Tensor, "N K 2"], Tensor]:
    """Keypoints in image pixels, and ``(N, K)`` bool: which of them are labelled."""
    keypoints = torch.stack([person.keypoints for person in people]).float()
    return keypoints, torch.stack([person.visibility for person in people]) > 0
