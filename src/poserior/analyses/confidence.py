"""Does the confidence fall as a joint is covered, and as far as its OKS? And what is it worth on the same people?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from poserior.analyses.crops import Judged, batches, judged, labels
from poserior.analyses.occlusion import covered
from poserior.calibration import instance_confidence
from poserior.errors import InputError
from poserior.geometry import affine_zoom, apply_affine
from poserior.metrics import ece, keypoint_oks, pearson, summarise
from poserior.models import ModelSpec, Regressor
from poserior.skeletons import Skeleton
from poserior.structures import Evaluation, Sample

SIZES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
PATCHES = ("blur", "grey")
BLUR = 0.08
"""Standard deviation of the blur, a share of ``sqrt(height width)`` of the crop."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The covered joint's OKS and confidence at S patch sizes, of J joints; not a number where nobody counts.

    Attributes:
        count: ``(J,)`` people of whom the joint is labelled and lies in the crop.
        oks: ``(S, J)`` mean OKS reached.
        confidence: ``(S, J)`` mean confidence.
        oks_quartiles: ``(S, J, 2)`` a quarter of the people are below the first, a quarter above the second.
        confidence_quartiles: ``(S, J, 2)`` the same of the confidence.
        spread: ``(S, J)`` mean predicted spread (root of the covariance's trace) in image pixels.
        error: ``(S, J)`` mean distance to the label in image pixels.
    """

    count: Float[Tensor, "J"]
    oks: Float[Tensor, "S J"]
    confidence: Float[Tensor, "S J"]
    oks_quartiles: Float[Tensor, "S J 2"]
    confidence_quartiles: Float[Tensor, "S J 2"]
    spread: Float[Tensor, "S J"]
    error: Float[Tensor, "S J"]


@dataclass(frozen=True, eq=False)
class Confidence:
    """A growing patch on each joint, and the same people as they are.

    Attributes:
        skeleton: what the keypoints are.
        patch: what the joint is covered with: "blur" or "grey".
        sizes: S sides of the square patch as shares of the box's size, ``sqrt(width height)``; the first is 0.
        keypoints: the J covered joints' names.
        joints: each joint's curves.
        together: the same over all joints and people, J = 1.
        ece: ``(S,)`` expected calibration error of the covered joints, all together.
        pearson: ``(S,)`` correlation of their confidence and OKS.
        metrics: `poserior.metrics.summarise` of the uncovered people: reliability, ranking, oracle gap.
        evaluation: the uncovered people themselves, for pictures.
    """

    skeleton: Skeleton
    patch: str
    sizes: tuple[float, ...]
    keypoints: tuple[str, ...]
    joints: Curves
    together: Curves
    ece: Float[Tensor, "S"]
    pearson: Float[Tensor, "S"]
    metrics: dict[str, Any]
    evaluation: Evaluation


def confidence(
    model: Regressor,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    sizes: Sequence[float] = SIZES,
    patch: str = "blur",
    keypoints: Sequence[str] | None = None,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    title: str = "confidence",
) -> Confidence:
    """Cover each joint in turn with ever larger patches about its label; follow its OKS and its confidence.

    An honest confidence falls as the OKS does. The uncovered crops of the same people go through the model with them,
    and give the confidence's reliability and what a perfect ranking of these people would add to AP.

    Source: the CCNet paper, Figure 3 (its sizes are shares of the crop, these are of the person's box).

    Args:
        model: the regressor, on its device; no flip test: the model itself is looked at.
        spec: what it was built from.
        dataset: people in whole pictures, of the model's skeleton.
        sizes: the square's sides as shares of ``sqrt(width height)`` of the person's box; 0 is put in front if absent.
        patch: "blur" (a Gaussian blur that leaves no detail) or "grey".
        keypoints: names of the joints to cover; all by default.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar.
        title: what the bar is called.

    Raises:
        InputError: an argument is out of its range, or the data cannot be used.
    """
    sides = tuple(sorted({0.0, *map(float, sizes)}))
    if not all(math.isfinite(side) and 0 <= side <= 4 for side in sides):
        raise InputError(f"expected patch sizes as shares of the box in [0, 4], found {list(sizes)}; e.g. 0,0.1,0.2")
    if patch not in PATCHES:
        raise InputError(f"expected a patch among {', '.join(PATCHES)}, found {patch!r}; correct it")
    chosen = _chosen(keypoints, spec.skeleton)
    views = 1 + (len(sides) - 1) * len(chosen)
    measured: list[Tensor] = []
    records: list[dict[str, Tensor]] = []
    everybody: list[Sample] = []
    for people, images, target in batches(dataset, spec, title, max(1, batch_size // views), workers, progress):
        labelled, known = labels(people)
        centres = apply_affine(target.crop, labelled.double())
        box = target.box_xyxy.double()
        size = (box[:, 2:] - box[:, :2]).prod(-1).sqrt() * affine_zoom(target.crop)
        fill = blurred(images) if patch == "blur" else None
        shown = [covered(images, centres[:, chosen], side * size, fill) for side in sides[1:]]
        crops = torch.cat([images[:, None], *shown], 1).flatten(0, 1)
        found = judged(model, spec, crops, target.crop, target.box_xyxy, views, batch_size)
        limit = torch.tensor([images.shape[3], images.shape[2]], dtype=centres.dtype)
        inside = (known & ((centres >= 0) & (centres < limit)).all(-1))[:, chosen]
        measured.append(_measured(found, people, labelled, known, inside, chosen, len(sides), spec))
        records.append({name: values[:, 0] for name, values in found._asdict().items()})
        everybody += people
    oks, sure, spread, error = torch.cat(measured, 1).unbind(0)  # (N, S, J) each
    evaluation = _uncovered(everybody, {name: torch.cat([part[name] for part in records]) for name in records[0]}, spec)
    pooled = [values.transpose(1, 2).reshape(-1, len(sides), 1) for values in (oks, sure, spread, error)]
    per_size = list(zip(pooled[1].unbind(1), pooled[0].unbind(1), strict=True))
    return Confidence(
        spec.skeleton,
        patch,
        sides,
        tuple(spec.skeleton.keypoints[k] for k in chosen),
        _curves(oks, sure, spread, error),
        _curves(*pooled),
        torch.stack([ece(sure, reached, reached.isfinite()) for sure, reached in per_size]),
        torch.stack([pearson(sure, reached, reached.isfinite()) for sure, reached in per_size]),
        summarise(evaluation),
        evaluation,
    )


def blurred(images: UInt8[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B 3 H W"]:
    """The pictures under a Gaussian blur so wide that no joint can be made out; edges are continued."""
    height, width = images.shape[2:]
    std = max(BLUR * math.sqrt(height * width), 0.5)
    reach = math.ceil(3 * std)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = (-(offsets**2) / (2 * std**2)).exp()
    weights = (weights / weights.sum()).expand(3, 1, 1, -1)
    padded = functional.pad(images.float(), (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, weights, groups=3)
    down = functional.conv2d(across, weights.mT, groups=3)
    return down.round().clamp(0, 255).to(torch.uint8)


def _chosen(names: Sequence[str] | None, skeleton: Skeleton) -> list[int]:
    if names is None:
        return list(range(skeleton.num_keypoints))
    unknown = [name for name in names if name not in skeleton.keypoints]
    if unknown or not names:
        raise InputError(
            f"expected keypoints of {skeleton.name} ({', '.join(skeleton.keypoints)}),"
            f" found {', '.join(map(repr, unknown)) or 'none'}; correct the names"
        )
    return [skeleton.keypoints.index(name) for name in dict.fromkeys(names)]


def _measured(
    found: Judged,
    people: Sequence[Sample],
    labelled: Float[Tensor, "B K 2"],
    known: Bool[Tensor, "B K"],
    inside: Bool[Tensor, "B J"],
    chosen: list[int],
    total: int,
    spec: ModelSpec,
) -> Float[Tensor, "4 B S J"]:
    """OKS, confidence, spread and error of each covered joint in the picture in which it is covered."""
    batch, views = found.confidence.shape[:2]
    area = torch.tensor([float(person.area) for person in people])
    oks = keypoint_oks(
        found.keypoints.flatten(0, 1),
        labelled.repeat_interleave(views, 0),
        area.repeat_interleave(views),
        spec.skeleton.oks_sigmas,
        known.repeat_interleave(views, 0),
    ).view(batch, views, -1)
    error = (found.keypoints - labelled[:, None]).norm(dim=-1)
    spread = found.covariance.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(0).sqrt()
    picked = []
    for values in (oks, found.confidence, spread, error):
        first = values[:, :1, chosen]
        rest = values[:, 1:][:, :, chosen].view(batch, total - 1, len(chosen), len(chosen))
        each = torch.cat([first, rest.diagonal(dim1=-2, dim2=-1)], 1)  # the covered joint is the measured one
        picked.append(each.masked_fill(~inside[:, None], torch.nan))
    return torch.stack(picked)


def _curves(
    oks: Float[Tensor, "N S J"],
    sure: Float[Tensor, "N S J"],
    spread: Float[Tensor, "N S J"],
    error: Float[Tensor, "N S J"],
) -> Curves:
    quartiles = torch.tensor([0.25, 0.75])
    return Curves(
        oks[:, 0].isfinite().sum(0).float(),
        oks.nanmean(0),
        sure.nanmean(0),
        oks.nanquantile(quartiles, 0).movedim(0, -1),
        sure.nanquantile(quartiles, 0).movedim(0, -1),
        spread.nanmean(0),
        error.nanmean(0),
    )


def _uncovered(people: Sequence[Sample], found: dict[str, Tensor], spec: ModelSpec) -> Evaluation:
    keypoints, known = labels(people)
    return Evaluation(
        name="uncovered",
        skeleton=spec.skeleton,
        image_id=tuple(person.image_id for person in people),
        annotation_id=tuple(person.annotation_id for person in people),
        keypoints=found["keypoints"],
        confidence=found["confidence"],
        visibility=found["visibility"],
        covariance=found["covariance"],
        score=instance_confidence(found["confidence"], found["visibility"]),
        target=torch.where(known[..., None], keypoints, 0.0),
        target_visibility=torch.stack([person.visibility for person in people]),
        area=torch.tensor([float(person.area) for person in people]),
        box_xyxy=torch.stack([person.box_xyxy for person in people]).float(),
    )
