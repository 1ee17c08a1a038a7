"""What a one-stage network says at some places of its grid, by every component of its density."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poserior.analyses import FoundObjects
from poserior.dense.choices import choose
from poserior.dense.decode import anchors
from poserior.dense.losses import gather
from poserior.dense.model import DenseModel
from poserior.distributions import Distribution, PoseMarginals
from poserior.geometry import affine_zoom, apply_affine, box_area, invert_affine
from poserior.scenes import Maps

SMALLEST = 0.01
"""Cells; no box's side is below that, as in `poserior.dense.decode`."""


@dataclass(frozen=True, eq=False)
class Answers:
    """N places in each of B pictures, M components; on the CPU, in pixels of the original pictures.

    K is the number of keypoints, 0 for mere boxes; J is K, or 1 for boxes, whose one point is their size.

    Attributes:
        score: ``(B, N)`` of the centre.
        category: ``(B, N)``.
        component: ``(B, N)`` the heaviest.
        weights: ``(B, N, M)``.
        box_xyxy: ``(B, N, M, 4)`` the box by each component.
        points: ``(B, N, M, K, 2)`` the keypoints by each component.
        offsets: ``(B, N, M, K, 2)`` the same from the cell's centre.
        covariance: ``(B, N, M, J, 2, 2)`` of each component by itself.
    """

    score: Float[Tensor, "B N"]
    category: Int[Tensor, "B N"]
    component: Int[Tensor, "B N"]
    weights: Float[Tensor, "B N M"]
    box_xyxy: Float[Tensor, "B N M 4"]
    points: Float[Tensor, "B N M K 2"]
    offsets: Float[Tensor, "B N M K 2"]
    covariance: Float[Tensor, "B N M J 2 2"]

    def of(self, component: Int[Tensor, "B N"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes, points, offsets and covariances by one component for each place."""
        taken = (self.box_xyxy, self.points, self.offsets, self.covariance)
        parts = [
            values.take_along_dim(component.view(*component.shape, *[1] * (values.ndim - 2)), 2).squeeze(2)
            for values in taken
        ]
        return parts[0], parts[1], parts[2], parts[3]

    def records(self, match: Int[Tensor, "B N"], where: Bool[Tensor, "B N"]) -> FoundObjects:
        """The places that count, by their heaviest component, for the analyses; its spread is the mean over points."""
        box_xyxy, _, offsets, covariance = self.of(self.component)
        spread = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt().mean(-2)
        return FoundObjects(
            self.score[where],
            self.category[where],
            self.component[where],
            self.weights[where],
            box_area(box_xyxy[where]).sqrt(),
            spread[where],
            offsets[where],
            match[where],
        )


def answers_at(
    model: DenseModel,
    maps: Maps,
    cell: Int[Tensor, "B N"],
    category: Int[Tensor, "B N"],
    affine: Float[Tensor, "B 2 3"],
) -> Answers:
    """Read the maps in some cells.

    Args:
        model: whose maps they are.
        maps: of B pictures.
        cell: flat numbers.
        category: of the objects there.
        affine: original picture's pixels to those that the network saw.
    """
    head = model.head
    cell, category = cell.to(maps.centre.device), category.to(maps.centre.device)
    heat = gather(maps.centre.float().sigmoid(), cell)
    density = head.density(gather(maps.density.float(), cell))
    component, _ = choose(head, density, "best")
    modes, weights = head.modes(density), head.weights(density)
    anchor = anchors(cell, maps.centre.shape[-1])
    centre = (anchor + gather(maps.offset.float(), cell))[:, :, None]
    if maps.size is None:
        size, offsets = modes[..., 0, :], modes[..., :0, :]
    else:
        size, offsets = gather(maps.size.float(), cell)[:, :, None].expand(*weights.shape, 2), modes
    half = size.clamp(min=SMALLEST) / 2
    corners = torch.stack([centre - half, centre + half], -2)
    back = invert_affine(affine.double())
    zoom = (model.stride * affine_zoom(back))[:, None, None, None, None, None]

    def original(places: Tensor) -> Tensor:
        flat = model.stride * places.cpu().double().flatten(1, -2)
        return apply_affine(back, flat).view(places.shape).float()

    return Answers(
        heat.take_along_dim(category[..., None], 2)[..., 0].cpu(),
        category.cpu(),
        component.cpu(),
        weights.cpu(),
        original(corners).flatten(-2),
        original(anchor[:, :, None, None] + offsets),
        offsets.cpu(),
        (mode_covariance(density, weights.shape[-1]).cpu() * zoom**2).float(),
    )


def mode_covariance(density: Distribution, modes: int) -> Float[Tensor, "*L M K 2 2"]:
    """Each component's own covariance of each point; the whole law's for one that has no components."""
    if isinstance(density, PoseMarginals) and density.pose is not None:
        return density.pose.scale_tril @ density.pose.scale_tril.mT
    whole = density.covariance
    return whole[..., None, :, :, :].expand(*whole.shape[:-3], modes, *whole.shape[-3:])
