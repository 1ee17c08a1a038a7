"""Which keypoints does a prediction lean on? A grey square over one, and the errors of all."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from poserior.analyses.crops import batches, labels, points
from poserior.errors import InputError
from poserior.geometry import affine_zoom, apply_affine
from poserior.models import ModelSpec, Regressor
from poserior.skeletons import Skeleton
from poserior.structures import Sample

GREY = 128


@dataclass(frozen=True, eq=False)
class Occlusion:
    """Means over people; row i is the covered keypoint, column j the measured one.

    A cell's mean is over the people of whom i lies in the crop and both are labelled; not a number where there are
    none. A ratio divides it by the mean of the same people's uncovered crops.

    Attributes:
        skeleton: what the keypoints are.
        size: the square's side as a share of the box's size, ``sqrt(width height)``.
        count: ``(K, K)`` people in each cell.
        error: ``(K, K)`` mean distance to the label in image pixels.
        error_ratio: ``(K, K)`` the same relative to the uncovered crops.
        spread: ``(K, K)`` mean predicted spread (root of the covariance's trace) in image pixels.
        spread_ratio: ``(K, K)`` the same relative to the uncovered crops.
        uncovered_error: ``(K,)`` mean distance with nothing covered, over all labels.
        uncovered_spread: ``(K,)`` mean spread with nothing covered, over all labels.
    """

    skeleton: Skeleton
    size: float
    count: Float[Tensor, "K K"]
    error: Float[Tensor, "K K"]
    error_ratio: Float[Tensor, "K K"]
    spread: Float[Tensor, "K K"]
    spread_ratio: Float[Tensor, "K K"]
    uncovered_error: Float[Tensor, "K"]
    uncovered_spread: Float[Tensor, "K"]


def occlusion(
    model: Regressor,
    spec: ModelSpec,
    dataset: Dataset[Sample],
    size: float = 0.2,
    batch_size: int = 64,
    workers: int = 0,
    progress: bool = True,
    title: str = "occlusion",
) -> Occlusion:
    """Cover each keypoint in turn with a grey square about its label, and measure all.

    All K covered crops of a person go through the model together with the uncovered one.

    Source: Kocabas et al., "PARE: Part Attention Regressor for 3D Human Body Estimation", ICCV 2021; as a matrix: Li et
    al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021, Tables 15 and 16.

    Args:
        model: the regressor, on its device.
        spec: what it was built from.
        dataset: people in whole pictures, of the model's skeleton.
        size: the square's side as a share of ``sqrt(width height)`` of the person's box.
        batch_size: crops per pass.
        workers: processes that read and crop.
        progress: show a bar.
        title: what the bar is called.

    Raises:
        InputError: `size` is not positive, or the data cannot be used.
    """
    if not 0 < size <= 4:
        raise InputError(f"expected the square's size as a share of the box in (0, 4], found {size}; e.g. 0.2")
    number = spec.skeleton.num_keypoints
    sums = torch.zeros(5, number, number, dtype=torch.float64)  # count, error, spread, both uncovered
    alone = torch.zeros(3, number, dtype=torch.float64)
    people_at_once = max(1, batch_size // (number + 1))
    for people, images, target in batches(dataset, spec, title, people_at_once, workers, progress):
        labelled, known = labels(people)
        centres = apply_affine(target.crop, labelled.double())
        box = target.box_xyxy.double()
        side = size * (box[:, 2:] - box[:, :2]).prod(-1).sqrt() * affine_zoom(target.crop)
        views = torch.cat([images[:, None], covered(images, centres, side)], 1)
        found = points(
            model,
            spec,
            views.flatten(0, 1),
            target.crop.repeat_interleave(number + 1, 0),
            people_at_once * (number + 1),
        )
        error = (found.keypoints.reshape(-1, number + 1, number, 2) - labelled[:, None]).norm(dim=-1).double()
        spread = found.spread.reshape(-1, number + 1, number).double()
        limit = torch.tensor([images.shape[3], images.shape[2]], dtype=centres.dtype)
        inside = known & ((centres >= 0) & (centres < limit)).all(-1)
        counts = inside[:, :, None] & known[:, None, :]
        sums[0] += counts.sum(0)
        for into, values in enumerate((error[:, 1:], spread[:, 1:], error[:, :1], spread[:, :1]), 1):
            sums[into] += torch.where(counts, values, 0.0).sum(0)
        alone += torch.stack(
            [known.double().sum(0), *(torch.where(known, values[:, 0], 0.0).sum(0) for values in (error, spread))]
        )
    count, error, spread, plain_error, plain_spread = sums.float()
    labels_each, alone_error, alone_spread = alone.float()
    return Occlusion(
        spec.skeleton,
        size,
        count,
        error=error / count,
        error_ratio=error / plain_error,
        spread=spread / count,
        spread_ratio=spread / plain_spread,
        uncovered_error=alone_error / labels_each,
        uncovered_spread=alone_spread / labels_each,
    )


def covered(
    images: UInt8[Tensor, "B 3 H W"],
    centres: Float[Tensor, "B K 2"],
    side: Float[Tensor, "B"],
    fill: UInt8[Tensor, "B 3 H W"] | None = None,
) -> UInt8[Tensor, "B K 3 H W"]:
    """K copies of each picture, the k-th with a square about the k-th centre.

    Args:
        images: crops; not changed.
        centres: in crop pixels.
        side: the squares' sides in crop pixels; a pixel is covered if its centre lies in the square.
        fill: pictures that are seen through the squares (blurred ones, say); grey by default.
    """
    height, width = images.shape[2:]
    y = torch.arange(height, dtype=centres.dtype) + 0.5
    x = torch.arange(width, dtype=centres.dtype) + 0.5
    half = side[:, None, None] / 2
    rows: Bool[Tensor, "B K H"] = (y - centres[..., 1:]).abs() <= half
    columns: Bool[Tensor, "B K W"] = (x - centres[..., :1]).abs() <= half
    mask = rows[:, :, None, :, None] & columns[:, :, None, None, :]
    seen = torch.tensor(GREY, dtype=images.dtype) if fill is None else fill[:, None]
    return torch.where(mask, seen, images[:, None])
