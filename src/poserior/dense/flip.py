"""The left-right flip test of a one-stage network: the picture and its mirror image in one pass, fused per mode."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from poserior.dense.choices import Choice
from poserior.dense.decode import anchors, assemble, peaks
from poserior.dense.losses import gather
from poserior.dense.matching import How, fuse
from poserior.dense.model import DenseModel
from poserior.distributions import Distribution
from poserior.scenes import Candidates, Maps


def flip_candidates(
    model: DenseModel,
    images: Float[Tensor, "B 3 H W"],
    flip_indices: Sequence[int],
    count: int = 100,
    choice: Choice = "best",
    how: How = "match",
) -> tuple[Candidates, Maps]:
    """`poserior.dense.decode.candidates` of pictures and their mirror images together.

    Probabilities of centres and keypoints, offsets and boxes' sizes are averages of both. At each candidate's cell the
    picture's density and, from cell ``x -> w - 1 - x``, the mirror image's, mirrored back, are fused. Whatever the
    network, the answer to a mirrored picture is the mirrored answer.

    Args:
        model: in eval mode.
        images: RGB in [0, 1].
        flip_indices: which keypoint each becomes in a mirror; empty for boxes, whose sizes are their own mirror images.
        count: how many per picture.
        choice: which point of the fused density is the answer.
        how: see `poserior.dense.matching.fuse`.

    Returns:
        The candidates, and the fused maps; their density is still the picture's own.
    """
    both = model.predict(torch.cat([images, images.flip(-1)]))
    plain, mirrored = _half(both, slice(None, len(images))), _half(both, slice(len(images), None))
    maps = fused_maps(plain, mirrored, flip_indices)
    width = maps.centre.shape[-1]
    score, category, cell = peaks(maps.centre.sigmoid(), count)
    there = mirrored_cell(cell, width)
    density = fuse(
        model.head,
        model.head.density(gather(plain.density.float(), cell)),
        mirrored_density(model.head.density(gather(mirrored.density.float(), there)), flip_indices),
        how,
    )
    place = anchors(cell, width)
    centre = place + gather(maps.offset, cell)
    size = None if maps.size is None else gather(maps.size, cell)
    return assemble(model.head, density, choice, (score, category, cell), place, centre, size), maps


def mirrored_cell(cell: Int[Tensor, "*B"], width: int) -> Int[Tensor, "*B"]:
    """The flat number of ``(w - 1 - x, y)``.

    >>> mirrored_cell(torch.tensor([0, 4, 7]), 5).tolist()
    [4, 0, 7]
    """
    return cell - 2 * (cell % width) + width - 1


def mirrored_density(density: Distribution, flip_indices: Sequence[int]) -> Distribution:
    """The density of the mirrored pose, ``batch_shape (B, N, K)``; a box's size stays as it is."""
    if not flip_indices:
        return density
    mode = density.mean
    sign = torch.tensor([-1.0, 1.0], dtype=mode.dtype, device=mode.device)
    return density[:, :, list(flip_indices)].affine(sign, torch.zeros_like(sign))


def fused_maps(plain: Maps, mirrored: Maps, flip_indices: Sequence[int]) -> Maps:
    """The averages of a picture's maps and its mirror image's, in the picture's frame and in single precision.

    Probabilities are averaged, not logits; the density is the picture's.
    """
    order = list(flip_indices)
    return replace(
        plain,
        centre=_mean_logit(plain.centre.float(), mirrored.centre.float().flip(-1)),
        offset=_mean_offset(plain.offset, mirrored.offset),
        size=(
            None
            if plain.size is None or mirrored.size is None
            else (plain.size.float() + mirrored.size.float().flip(-1)) / 2
        ),
        keypoint_heat=(
            None
            if plain.keypoint_heat is None or mirrored.keypoint_heat is None
            else _mean_logit(plain.keypoint_heat.float(), mirrored.keypoint_heat.float().flip(-1)[:, order])
        ),
        keypoint_offset=(
            None
            if plain.keypoint_offset is None or mirrored.keypoint_offset is None
            else _mean_offset(plain.keypoint_offset, mirrored.keypoint_offset)
        ),
    )


def _half(maps: Maps, part: slice) -> Maps:
    parts: dict[str, Any] = {name: None if value is None else value[part] for name, value in vars(maps).items()}
    return Maps(**parts)


def _mean_logit(a: Tensor, b: Tensor) -> Tensor:
    """The logit of the mean of two probabilities, exact at both ends."""
    return torch.logaddexp(logsigmoid(a), logsigmoid(b)) - torch.logaddexp(logsigmoid(-a), logsigmoid(-b))


def _mean_offset(plain: Tensor, mirrored: Tensor) -> Tensor:
    x, y = mirrored.float().flip(-1).unbind(1)
    return (plain.float() + torch.stack([-x, y], 1)) / 2
