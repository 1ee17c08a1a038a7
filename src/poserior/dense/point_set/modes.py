"""The poses that anchors stand for: k-means over a data set's people, moved and scaled onto one another.

Left-right mirror images count as one pose, so the modes that are found are closed under mirroring.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.errors import InputError

ALIKE = 0.05  # a mode this near to its own mirror image (RMS, of its longer side) is made symmetric


def mirror_poses(poses: Float[Tensor, "*M K 2"], flip_indices: Sequence[int]) -> Float[Tensor, "*M K 2"]:
    """Poses about the origin as a mirror shows them: x negated, left and right exchanged.

    >>> mirror_poses(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), (1, 0)).tolist()
    [[[-3.0, 4.0], [-1.0, 2.0]]]
    """
    return poses[..., list(flip_indices), :] * poses.new_tensor([-1, 1])


def normalise_poses(poses: Float[Tensor, "*M K 2"]) -> Float[Tensor, "*M K 2"]:
    """Poses with the middle of their keypoints' box at the origin and its longer side 1."""
    low, high = poses.amin(-2, keepdim=True), poses.amax(-2, keepdim=True)
    return (poses - (low + high) / 2) / (high - low).amax(-1, keepdim=True)


def pose_modes(
    keypoints: Float[Tensor, "N K 2"],
    labelled: Bool[Tensor, "N K"],
    flip_indices: Sequence[int],
    count: int = 3,
    seed: int = 0,
    restarts: int = 4,
    iterations: int = 40,
) -> Float[Tensor, "M K 2"]:
    """The commonest poses of a data set, `normalise_poses`; ``count <= M <= 2 count``, as symmetric ones count once.

    Each person is moved and scaled onto the mode that then fits best, or onto its mirror image, least squares over
    the person's labelled keypoints; a mode is the mean of its people. With ``count = 1`` it is the mean pose.

    Args:
        keypoints: people in any pictures' pixels.
        labelled: which keypoints count; people with fewer than two different ones are left out.
        flip_indices: the skeleton's.
        count: modes up to mirroring.
        seed: the beginnings are drawn by it, k-means++.
        restarts: beginnings, of which the best counts.
        iterations: at most so many of each.

    Returns:
        The commonest mode first, each followed by its mirror image unless it is its own.

    Raises:
        InputError: fewer than `count` different people with all their keypoints labelled: modes begin at those.
    """
    weight = labelled.to(keypoints.dtype)
    number = weight.sum(1).clamp_min(1)[:, None, None]
    mean = (keypoints * weight[..., None]).sum(1, keepdim=True) / number
    centred = torch.where(labelled[..., None], keypoints - mean, 0.0)
    length = centred.square().sum((1, 2)).sqrt()
    kept = (labelled.sum(1) > 1) & (length > 0)
    centred = centred[kept] / length[kept, None, None]
    people = _People(centred, weight[kept], tuple(flip_indices))
    whole = labelled[kept].all(1).nonzero()[:, 0]
    if count < 1 or len(whole) < count:
        raise InputError(
            f"expected at least {max(count, 1)} people with all keypoints labelled to find {count} pose modes,"
            f" found {len(whole)}; give more people or ask for fewer modes"
        )
    generator = torch.Generator().manual_seed(seed)
    results = [_k_means(people, whole, count, iterations, generator) for _ in range(max(restarts, 1))]
    modes, popularity, _ = min(results, key=lambda result: result[2])
    found: list[Tensor] = []
    for mode in modes[popularity.argsort(descending=True, stable=True)]:
        other = mirror_poses(mode, flip_indices)
        same = float((mode - other).square().sum(-1).mean().sqrt()) < ALIKE
        found += [normalise_poses((mode + other) / 2)] if same else [mode, other]
    return torch.stack(found)


class _People(NamedTuple):
    """Poses about their labelled keypoints' mean, of length 1, zeros elsewhere; weights; the mirror's order."""

    poses: Float[Tensor, "N K 2"]
    weight: Float[Tensor, "N K"]
    flip: tuple[int, ...]

    def compare(self, modes: Float[Tensor, "M K 2"]) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N M"]]:
        """Mean squared distance of each person, moved and scaled to fit, from each mode; and that scale."""
        product = torch.einsum("nkd,mkd->nm", self.poses, modes).clamp_min(0)
        number = self.weight.sum(1)[:, None]
        first = torch.einsum("nk,mkd->nmd", self.weight, modes)
        second = torch.einsum("nk,mk->nm", self.weight, modes.square().sum(-1))
        return (second - first.square().sum(-1) / number - product.square()).clamp_min(0) / number, product

    def moved_onto(self, modes: Float[Tensor, "N K 2"], scale: Float[Tensor, "N"]) -> Float[Tensor, "N K 2"]:
        """Each person scaled and put where its own mode's same keypoints are."""
        weight = self.weight[..., None]
        return self.poses * scale[:, None, None] + (weight * modes).sum(1, keepdim=True) / weight.sum(1, keepdim=True)


def _k_means(
    people: _People, whole: Int[Tensor, "W"], count: int, iterations: int, generator: torch.Generator
) -> tuple[Float[Tensor, "M K 2"], Float[Tensor, "M"], float]:
    """Modes, how many people each has, and the mean squared distance."""
    modes = _beginnings(people, whole, count, generator)
    before = torch.full((len(people.poses),), -1)
    for _ in range(iterations):
        distance, scale = people.compare(torch.cat([modes, mirror_poses(modes, people.flip)]))
        squared, nearest = distance.min(1)
        if torch.equal(nearest, before):
            break
        before = nearest
        turned = nearest >= count
        mode = nearest % count
        upright = _People(
            torch.where(turned[:, None, None], mirror_poses(people.poses, people.flip), people.poses),
            torch.where(turned[:, None], people.weight[:, list(people.flip)], people.weight),
            people.flip,
        )
        moved = upright.moved_onto(modes[mode], scale.gather(1, nearest[:, None])[:, 0])
        number = torch.zeros_like(modes[..., 0]).index_add(0, mode, upright.weight)[..., None]
        total = torch.zeros_like(modes).index_add(0, mode, moved * upright.weight[..., None])
        modes = normalise_poses(torch.where(number > 0, total / number.clamp_min(1), modes))
    return modes, torch.bincount(before % count, minlength=count).to(modes), float(squared.mean())


def _beginnings(people: _People, whole: Int[Tensor, "W"], count: int, generator: torch.Generator) -> Tensor:
    """k-means++: whole poses, each the likelier the less the ones before resemble it or its mirror image."""
    first = whole[torch.randint(len(whole), (1,), generator=generator)]
    modes = normalise_poses(people.poses[first])
    for _ in range(count - 1):
        squared = people.compare(torch.cat([modes, mirror_poses(modes, people.flip)]))[0].min(1).values[whole]
        chosen = torch.multinomial(squared + 1e-12, 1, generator=generator)
        modes = torch.cat([modes, normalise_poses(people.poses[whole[chosen]])])
    return modes
