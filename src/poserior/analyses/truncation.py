"""A picture that ends too early: what becomes of the keypoints that are still in it, and of those that are not?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.crops import batches, labels, points
from poserior.errors import InputError
from poserior.models import ModelSpec, Regressor
from poserior.structures import Sample

SIDES, KEPT = ("bottom", "top", "left", "right"), ("rest", "box")
CUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)


@dataclass(frozen=True, eq=False)
class Truncation:
    """Means over labelled keypoints in T cuts, apart for those on either side of the line; not a number for none.

    Attributes:
        side: where the picture ends early: bottom, top, left or right.
        keep: what the model is given for a box.
        cuts: T shares of the person's box that are cut off; the first is 0.
        count: ``(T, 2)`` keypoints inside and outside.
        error: ``(T, 2)`` mean distance to the label in image pixels.
        uncut_error: ``(T, 2)`` the same keypoints' mean distance in the whole picture.
        spread: ``(T, 2)`` mean predicted spread (root of the covariance's trace) in image pixels.
        found: ``(T, 2)`` share of the keypoints whose prediction lies on their own side of the line.
    """

    side: str
    keep: str
    cuts: tuple[float, ...]
    count: Float[Tensor, "T 2"]
    error: Float[Tensor, "T 2"]
    uncut_error: Float[Tensor, "T 2"]
    spread: Float[Tensor, "T 2"]
    found: Float[Tensor, "T 2"]


def truncation(
    model: Regressor,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    cuts: Sequence[float] = CUTS,
    side: str = "bottom",
    keep: str = "rest",
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    title: str = "truncation",
) -> Truncation:
    """Let the picture end at ever deeper lines across the person, and measure the keypoints on either side.

    Source: Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021, Figure 5.

    Args:
        model: the regressor, on its device.
        spec: what it was built from.
        dataset: people in whole pictures, of the model's skeleton.
        cuts: shares of the person's box that are cut off, in [0, 1); 0 is put in front if it is not there.
        side: which side of the box is cut: "bottom", "top", "left" or "right".
        keep: the box the model is given: the ``"rest"``, as a detector would find it in the cut picture (the crop then
            shows the rest larger), or the whole ``"box"`` (the crop stays, the cut part is black).
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar.
        title: what the bar is called.

    Raises:
        InputError: an argument is out of its range, or the data cannot be used.
    """
    shares = tuple(sorted({0.0, *map(float, cuts)}))
    if not all(math.isfinite(cut) and 0 <= cut < 1 for cut in shares):
        raise InputError(f"expected cuts as shares of the box in [0, 1), found {list(cuts)}; e.g. 0.2,0.4")
    for name, given, among in (("side", side, SIDES), ("keep", keep, KEPT)):
        if given not in among:
            raise InputError(f"expected {name} among {', '.join(among)}, found {given!r}; correct it")
    total = len(shares)
    sums = torch.zeros(5, total, 2, dtype=torch.float64)

    def views(person: Sample) -> list[Sample]:
        return [cut_off(person, share, side, keep) for share in shares]

    people_at_once = max(1, batch_size // total)
    for people, images, target in batches(dataset, spec, title, people_at_once, workers, progress, views):
        labelled, known = labels(people)
        found = points(model, spec, images, target.crop, people_at_once * total)
        keypoints = found.keypoints.reshape(-1, total, labelled.shape[1], 2)
        error: Tensor = (keypoints - labelled[:, None]).norm(dim=-1).double()
        lines = torch.tensor([[line(person, share, side) for share in shares] for person in people])
        outside = beyond(labelled[:, None].expand_as(keypoints), lines, side)
        same = beyond(keypoints, lines, side) == outside
        values = (torch.ones_like(error), error, error[:, :1], found.spread.reshape(error.shape), same)
        for region, mask in enumerate((~outside, outside)):
            chosen = mask & known[:, None]
            for into, value in enumerate(values):
                sums[into, :, region] += torch.where(chosen, value.double(), 0.0).sum((0, 2))
    count = sums[0]
    means: Tensor = (sums[1:] / count).float()
    return Truncation(side, keep, shares, count.float(), means[0], means[1], means[2], means[3])


def line(person: Sample, share: float, side: str) -> float:
    """Where the picture ends, in image pixels: an x for left and right, a y for top and bottom."""
    x0, y0, x1, y1 = map(float, person.box_xyxy)
    first, last = (y0, y1) if side in ("bottom", "top") else (x0, x1)
    cut = share * (last - first)
    return last - cut if side in ("bottom", "right") else first + cut


def cut_off(person: Sample, share: float, side: str, keep: str) -> Sample:
    """The person in a picture that ends at the line: black beyond it, as all crops are outside of their picture."""
    if share == 0:
        return person
    edge, image, box = line(person, share, side), person.image.clone(), person.box_xyxy.clone()
    pixel = max(round(edge), 0)
    if side == "bottom":
        image[pixel:], box[3] = 0, edge
    elif side == "top":
        image[:pixel], box[1] = 0, edge
    elif side == "right":
        image[:, pixel:], box[2] = 0, edge
    else:
        image[:, :pixel], box[0] = 0, edge
    return replace(person, image=image, box_xyxy=box if keep == "rest" else person.box_xyxy)


def beyond(keypoints: Float[Tensor, "B T K 2"], lines: Float[Tensor, "B T"], side: str) -> Bool[Tensor, "B T K"]:
    """Which points lie past the line; with nothing cut off (the first line) none does."""
    along = keypoints[..., 1 if side in ("bottom", "top") else 0]
    past = along > lines[..., None] if side in ("bottom", "right") else along < lines[..., None]
    past[:, 0] = False
    return past
