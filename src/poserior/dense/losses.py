"""What a one-stage network minimises."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from poserior.dense.heads import DenseHead
from poserior.scenes import DenseTarget, Maps


@dataclass(frozen=True)
class LossWeights:
    """Factors of a network's losses.

    Args:
        centre: of the centres' heat.
        offset: of the centres' offsets.
        density: of the density's negative log-likelihood per object.
        size: of the boxes' width and height, where the density is a pose's.
        keypoint_heat: of the keypoints' heat.
        keypoint_offset: of the keypoints' offsets.

    Source: Varamesh & Tuytelaars, CVPR 2020, section 3.2; `size` and `keypoint_offset` are CenterNet's.
    """

    centre: float = 1.0
    offset: float = 0.1
    density: float = 0.1
    size: float = 0.1
    keypoint_heat: float = 1.0
    keypoint_offset: float = 1.0


PAPER_WEIGHTS = LossWeights()


def focal_loss(
    logits: Float[Tensor, "*B"], heat: Float[Tensor, "*B"], counts: Float[Tensor, "*B"]
) -> Float[Tensor, ""]:
    """``-sum (1 - p)^2 log p`` where the heat is 1, ``-sum (1 - heat)^4 p^2 log(1 - p)`` elsewhere, per peak.

    The penalty-reduced focal loss with exponents 2 and 4, divided by the number of cells of heat 1 (at least 1).

    Source: Law & Deng, "CornerNet", ECCV 2018, Eq 1; Zhou et al., "Objects as points", 2019, Eq 1.

    Args:
        logits: of p.
        heat: in [0, 1].
        counts: 0 where nothing is asked, else 1.
    """
    peak = heat == 1
    p = logits.sigmoid()
    found = (1 - p).square() * logsigmoid(logits)
    empty = (1 - heat).pow(4) * p.square() * logsigmoid(-logits) * counts
    return -torch.where(peak, found, empty).sum() / peak.sum().clamp(min=1)


def l1_loss(preds: Float[Tensor, "*B D"], target: Float[Tensor, "*B D"], mask: Bool[Tensor, "*B"]) -> Float[Tensor, ""]:
    """The mean absolute difference over the coordinates that count; 0 if none does."""
    difference = torch.where(mask[..., None], preds - target, 0.0).abs().sum()
    return difference / (preds.shape[-1] * mask.sum()).clamp(min=1)


def gather(values: Float[Tensor, "B P h w"], cell: Int[Tensor, "B N"]) -> Float[Tensor, "B N P"]:
    """The values in some cells, by their flat numbers."""
    index = cell[:, None, :].expand(-1, values.shape[1], -1)
    return values.flatten(2).gather(2, index).transpose(1, 2)


def map_losses(maps: Maps, target: DenseTarget, head: DenseHead) -> dict[str, Tensor]:
    """The losses of one stack, unweighted, in float32: ``centre, offset, density`` and what else the maps hold.

    The density's is the head's own, summed over an object's labelled points and averaged over the objects that have
    any.

    Args:
        maps: what the network says.
        target: what it should say.
        head: whose density it is.
    """
    at, present = target.cell, target.present
    losses = {
        "centre": focal_loss(maps.centre.float(), target.heat, target.counts),
        "offset": l1_loss(gather(maps.offset.float(), at), target.offset, present),
    }
    if maps.size is None:
        points, labelled = target.size[..., None, :], present[..., None]
    else:
        points, labelled = target.points, target.labelled
        losses["size"] = l1_loss(gather(maps.size.float(), at), target.size, present)
    density = head.density(gather(maps.density.float(), at))
    per_object = head.loss(density, points, labelled)
    known = labelled.any(-1)
    losses["density"] = torch.where(known, per_object, 0.0).sum() / known.sum().clamp(min=1)
    if maps.keypoint_heat is not None and maps.keypoint_offset is not None:
        assert target.keypoint_heat is not None  # the targets are made for the model
        heat, keypoint_offset = target.keypoint_heat, maps.keypoint_offset.float()
        counts = target.counts.amin(1, keepdim=True).expand_as(heat)
        losses["keypoint_heat"] = focal_loss(maps.keypoint_heat.float(), heat, counts)
        offsets = gather(keypoint_offset, target.keypoint_cell.flatten(1)).reshape(target.keypoint_offset.shape)
        losses["keypoint_offset"] = l1_loss(offsets, target.keypoint_offset, target.keypoint_inside)
    return losses


def weighted(losses: dict[str, Tensor], weights: LossWeights) -> Float[Tensor, ""]:
    """The sum, each with its factor."""
    return torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
