"""A frozen model once over the people: what a net on top of it learns from, kept in memory."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.crops import batches, labels
from poserior.distributions import Distribution
from poserior.errors import InputError
from poserior.geometry import crop_to_image, oks_widths
from poserior.metrics import keypoint_oks
from poserior.models import ModelSpec, Regressor
from poserior.structures import Sample

Look = Callable[[Distribution, Tensor, Tensor], Tensor]
"""Density, the backbone's features, the OKS kernel's widths to ``(B, I)``: a net's inputs."""


@dataclass(frozen=True, eq=False)
class Seen:
    """N people as the frozen model sees them, on the CPU.

    Attributes:
        inputs: ``(N, I)`` what the net will be shown, e.g. pooled features.
        mode: ``(N, K, 2)`` the model's answers in pixels of the original picture.
        oks: ``(N, K)`` their realised OKS, with the annotated area; not a number where not labelled.
        visibility: ``(N, K)`` COCO's 0/1/2.
        image_id: N picture ids.
    """

    inputs: Float[Tensor, "N I"]
    mode: Float[Tensor, "N K 2"]
    oks: Float[Tensor, "N K"]
    visibility: Int[Tensor, "N K"]
    image_id: tuple[int | str, ...]


@torch.no_grad()
def see_people(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    look: Look,
    title: str,
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
) -> Seen:
    """Predict everybody as the predictor does, and measure how right the answers are.

    The densities, modes and kernel widths (from the box, by ``spec.area_per_box``) are those of prediction; the
    realised OKS takes the annotated area.

    Args:
        model: the regressor, on its device; put in eval mode.
        spec: what it was built from.
        people: whole pictures with one person each, of the model's skeleton.
        look: what to keep of each batch.
        title: what the progress bar is called.
        flip_test: fuse every density with the mirrored crop's; the features are the upright crop's.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show the bar.

    Raises:
        InputError: there is nobody, somebody has another number of keypoints or no area, or the model answers with
            something that is no number.
    """
    model.eval()
    device = next(model.parameters()).device
    oks_sigmas = torch.tensor(spec.skeleton.oks_sigmas)
    inputs: list[Tensor] = []
    modes: list[Tensor] = []
    persons: list[Sample] = []
    for batch in batches(people, spec, title, batch_size, workers, progress):
        pictures = batch.images.to(device).float() / 255
        distribution, features = model.predict(pictures, spec.skeleton if flip_test else None)
        crop, box_xyxy = batch.target.crop.to(device), batch.target.box_xyxy.to(device)
        area = spec.expected_area(box_xyxy)
        widths = oks_widths(area, oks_sigmas.to(device), crop, spec.image_size)
        mode = distribution.mode
        inputs.append(look(distribution, features, widths).float().cpu())
        modes.append(crop_to_image(mode, crop, spec.image_size).float().cpu())
        persons += batch.people
    shown, mode = torch.cat(inputs), torch.cat(modes)
    if not bool(shown.isfinite().all() and mode.isfinite().all()):
        raise InputError(
            "expected finite features and answers of the model, found some that are no number; train again"
        )
    keypoints, _ = labels(persons)
    visibility = torch.stack([person.visibility for person in persons])
    areas = torch.tensor([float(person.area) for person in persons])
    if not bool((areas > 0).all()):
        where = persons[int((areas <= 0).nonzero()[0])]
        raise InputError(
            f"expected people with a positive area, found {float(where.area)} for person {where.annotation_id};"
            " correct the annotations or leave the person out"
        )
    return Seen(
        shown,
        mode,
        keypoint_oks(mode, keypoints, areas, oks_sigmas, visibility),
        visibility,
        tuple(person.image_id for person in persons),
    )
