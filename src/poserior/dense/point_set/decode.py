"""From classes of anchors to people: the best anchors, their densities, one answer per person."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.areas import BOX_TO_AREA
from poserior.calibration import expected_oks
from poserior.dense.point_set.model import PointSetModel
from poserior.distributions import Distribution
from poserior.geometry import box_area, invert_affine
from poserior.skeletons import Skeleton
from poserior.structures import Prediction

Score = Literal["expected_oks", "class"]


def different(
    keypoints: Float[Tensor, "B S K 2"],
    area: Float[Tensor, "B S"],
    oks_sigmas: Float[Tensor, "K"],
    threshold: float = 0.5,
) -> Bool[Tensor, "B S"]:
    """Who stays of people sorted best first: `poserior.metrics.oks_nms`, for a batch at once.

    A person goes if somebody better who stays is alike. Beginning with everybody, who stays is worked out from who
    stayed before until it no longer changes: after step t the first t people are settled, and in practice it takes as
    many steps as the longest chain of neighbours.
    """
    squared = (keypoints[:, :, None] - keypoints[:, None]).square().sum(-1)
    between = (area[:, :, None] + area[:, None]) / 2
    similarity = torch.exp(-squared / (2 * between[..., None] * (2 * oks_sigmas).square())).mean(-1)
    better = ((similarity > threshold).tril(-1)).to(keypoints.dtype)
    stays = torch.ones_like(area, dtype=torch.bool)
    for _ in range(stays.shape[1]):
        now = (better @ stays.to(better)[..., None])[..., 0] == 0
        if torch.equal(now, stays):
            break
        stays = now
    return stays


@torch.no_grad()
def find_people(
    model: PointSetModel,
    images: Float[Tensor, "B 3 H W"],
    affine: Float[Tensor, "B 2 3"],
    skeleton: Skeleton,
    image_id: tuple[int | str, ...],
    count: int = 100,
    score: Score = "expected_oks",
    threshold: float = 0.5,
    least_score: float = 0.01,
    area_per_box: float | int = BOX_TO_AREA,
) -> list[list[Prediction]]:
    """The people of B pictures, best first, in pixels of the original pictures.

    Args:
        model: in eval mode.
        images: RGB in [0, 1].
        affine: original pictures' pixels to those of `images`; no rotation.
        skeleton: what the keypoints are.
        image_id: of the pictures.
        count: how many anchors are looked at, over all levels.
        score: a person's: the anchor's class times the mean expected OKS of the keypoints, or the class alone.
        threshold: of two people more alike than this (OKS, with the predicted areas) the worse goes.
        least_score: people below are left out.
        area_per_box: the object's area over that of the box about its keypoints.
    """
    maps = model(images)[-1]
    probability = maps.logits.sigmoid()
    best, index = probability.topk(min(count, probability.shape[1]), 1)
    back = invert_affine(affine).to(best)
    zoom, shift = back[:, :2].diagonal(dim1=-2, dim2=-1)[:, None, None], back[:, None, None, :, 2]
    density: Distribution = model.at(maps, index)[-1].in_picture().affine(zoom, shift)
    points = density.mode
    box = torch.cat([points.amin(2), points.amax(2)], -1)
    area = (area_per_box * box_area(box)).clamp_min(1.0)
    sigmas = model.oks_sigmas.to(points)
    # No score is above its class, and the expected OKS is what costs: only anchors that may stay have one.
    likely = best >= least_score
    confidence = torch.zeros_like(points[..., 0])
    confidence[likely] = expected_oks(density[likely], area[likely], sigmas, points[likely]).clamp(0, 1)
    total = best * confidence.mean(-1) if score == "expected_oks" else best
    order = total.argsort(dim=1, descending=True, stable=True)
    rows = torch.arange(len(order), device=order.device)[:, None]
    stays = different(points[rows, order], area[rows, order], sigmas, threshold)
    stays &= total[rows, order] >= least_score
    covariance = density.covariance
    found: list[list[Prediction]] = [[] for _ in image_id]
    for b, n in stays.nonzero().tolist():
        i = int(order[b, n])
        found[b].append(
            Prediction(
                keypoints=points[b, i].cpu(),
                covariance=covariance[b, i].cpu(),
                visibility=torch.ones(len(sigmas)),
                confidence=confidence[b, i].cpu(),
                score=float(total[b, i]),
                box_xyxy=box[b, i].cpu(),
                skeleton=skeleton,
                image_id=image_id[b],
                area=float(area[b, i]),
                distribution=density[b, i],
            )
        )
    return found
