"""Regions with guaranteed coverage, from the labels of people that the model was not trained on."""

from dataclasses import dataclass
from datetime import date

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.crops import batches
from poserior.calibration import Conformal, RegionScores, labels_needed, region_scores
from poserior.errors import InputError
from poserior.models import ModelSpec, Regressor
from poserior.post_hoc.base import calibrated
from poserior.structures import Sample

ENOUGH = 30
"""Labels below which nothing is fitted.

The promise is kept on average over calibration sets; the coverage that one set of n labels gives is a draw of
Beta(k, n + 1 - k) with k = ceil(0.9 (n + 1)). From 30 labels on a 90 % region covers less than 80 % in fewer than 5 of
100 sets; of 9, the fewest with a finite region, in 13."""

SIZES = 3  # groups of object size, for "small, medium, large"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """N held-out people, on the CPU.

    Attributes:
        scores: how far the labels are off, ``(N, K)`` each; infinite where there is no label.
        labelled: ``(N, K)``.
        area: ``(N,)`` square image pixels, taken from the box as when predicting.
    """

    scores: RegionScores
    labelled: Bool[Tensor, "N K"]
    area: Float[Tensor, "N"]


@torch.no_grad()
def held_out_scores(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    *,
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
) -> HeldOut:
    """Predict everybody and measure how far the labels are off; also what the weighted quantile needs.

    Args:
        model: trained; only looked at.
        spec: what it was built from.
        people: whole pictures of one person each, of the model's skeleton.
        flip_test: fuse every density with the mirrored crop's.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar on stderr.
    """
    device = next(model.parameters()).device
    training = [module for module in model.modules() if module.training]
    model.eval()
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for _, images, target in batches(people, spec, "conformal", batch_size, workers, progress):
        law, _ = model.predict(images.to(device).float() / 255, spec.skeleton if flip_test else None)
        keep = target.labelled.to(device)
        found = region_scores(law[keep], target.keypoints.to(law.mode)[keep])
        box_xyxy = target.box_xyxy.float()
        area = spec.expected_area(box_xyxy)
        level, radius = (
            torch.full(keep.shape, torch.inf).masked_scatter(target.labelled, score.float().cpu()) for score in found
        )
        parts.append((level, radius, target.labelled, area))
    for module in training:
        module.training = True
    level, radius, labelled, area = (torch.cat(column) for column in zip(*parts, strict=True))
    return HeldOut(RegionScores(level, radius), labelled, area)


def conformal(
    model: Regressor,
    spec: ModelSpec,
    people: Dataset[Sample],
    *,
    source: str,
    flip_test: bool = True,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    by_size: bool = False,
) -> tuple[Regressor, ModelSpec]:
    """`Conformal` regions (see there for what they promise); the density, poses and confidences stay as they are.

    The people are to be drawn as those are on whom predictions will be made: same kind of pictures, same kind of boxes.
    A recalibration of the density comes first, if there is to be one: a later one drops the regions.

    Args:
        model: trained; only looked at.
        spec: what it was built from.
        people: whole pictures of one person each, of the model's skeleton, held out.
        source: what `people` are, in words: stored with the result.
        flip_test: the regions hold for predictions with the flip test, or without; stored with the result.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar on stderr.
        by_size: keep the promise within small, medium and large people, a third of a keypoint's labels each.

    Raises:
        InputError: too few people to fit on (the message says how many are needed).
    """
    held = held_out_scores(
        model,
        spec,
        people,
        flip_test=flip_test,
        batch_size=batch_size,
        workers=workers,
        progress=progress,
    )
    per_keypoint = held.labelled.sum(0)
    groups = SIZES if by_size else 1
    if int(per_keypoint.max()) < ENOUGH * groups:
        by = f" for {groups} sizes" if by_size else ""
        raise InputError(
            f"expected at least {ENOUGH * groups} labelled held-out people{by} (each keypoint of each group needs"
            f" {labels_needed(0.9)} labels for regions of 90 %, {labels_needed(0.95)} for 95 %), found"
            f" {int(per_keypoint.max())} labels of the best-labelled keypoint; give more people"
        )
    regions = Conformal.fit(held.scores, held.labelled, held.area, groups)
    facts = {
        "source": source,
        "people": len(held.area),
        "labels": [int(count) for count in per_keypoint],
        "flip_test": flip_test,
        "by_size": by_size,
        "date": date.today().isoformat(),
    }
    part = {
        "class_path": "Conformal",
        "init_args": {"labels": regions.levels_sorted.shape[-1], "groups": groups},
    }
    return calibrated(model, spec, "regions", part, regions.state_dict(), facts)
