"""Pose anchors: the same poses at every place of a pyramid of grids."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.errors import InputError


def anchor_set(
    modes: Float[Tensor, "M K 2"],
    scales: Sequence[float | int],
    rotations: Sequence[float | int] = (0.0,),
    aspects: Sequence[float | int] = (1.0,),
) -> Float[Tensor, "A K 2"]:
    """Every mode in every size, rotation and width: the anchors of one cell, in cells about its centre.

    Args:
        modes: poses of longer side 1 about the origin, see `pose_modes`.
        scales: longer sides in cells.
        rotations: degrees, clockwise on the screen; with every angle its opposite, for the mirror's sake.
        aspects: factors by which x is stretched.

    Raises:
        InputError: a size or factor is not positive, or an angle's opposite is missing.

    >>> anchor_set(torch.tensor([[[-0.5, 0.0], [0.5, 0.0]]]), scales=[4], rotations=[90, -90]).round().int().tolist()
    [[[0, -2], [0, 2]], [[0, 2], [0, -2]]]
    """
    if not scales or not aspects or not all(math.isfinite(v) and v > 0 for v in (*scales, *aspects)):
        raise InputError(
            f"expected positive scales and aspects, found {list(scales)} and {list(aspects)}; correct them"
        )
    if not rotations or sorted(rotations) != sorted(-angle for angle in rotations):
        raise InputError(f"expected with every rotation its opposite, found {list(rotations)}; add the missing ones")
    angle = torch.deg2rad(modes.new_tensor(rotations))
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).reshape(-1, 2, 2)
    wide = modes * torch.stack([modes.new_tensor(aspects), modes.new_ones(len(aspects))], -1)[:, None, None]
    poses = modes.new_tensor(scales)[:, None, None, None, None, None] * torch.einsum("rij,smkj->rsmki", turn, wide)
    return poses.flatten(0, 3)


def pose_size(poses: Float[Tensor, "*L K 2"]) -> Float[Tensor, "*L"]:
    """The longer side of the keypoints' box."""
    return (poses.amax(-2) - poses.amin(-2)).amax(-1)


@dataclass(frozen=True, eq=False)
class Places:
    """Where some anchors stand, in picture pixels.

    Attributes:
        level: ``(*L)`` which grid of the pyramid.
        kind: ``(*L)`` which anchor of its cell.
        centre: ``(*L, 2)`` the cell's centre.
        points: ``(*L, K, 2)`` the anchor's points.
        size: ``(*L)`` its longer side, the unit of what is regressed.
    """

    level: Int[Tensor, "*L"]
    kind: Int[Tensor, "*L"]
    centre: Float[Tensor, "*L 2"]
    points: Float[Tensor, "*L K 2"]
    size: Float[Tensor, "*L"]


@dataclass(frozen=True, eq=False)
class AnchorGrid:
    """All anchors of a picture: A in every cell of every level, numbered by level, kind, row and column.

    Attributes:
        anchors: ``(A, K, 2)`` in cells, the same on all levels: a level of twice the stride has twice the people.
        shapes: the levels' ``(h, w)``.
        strides: their cells' widths in picture pixels.
    """

    anchors: Float[Tensor, "A K 2"]
    shapes: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]

    def __len__(self) -> int:
        """T, how many there are."""
        return len(self.anchors) * sum(h * w for h, w in self.shapes)

    def axes(self, level: int) -> tuple[Float[Tensor, "w"], Float[Tensor, "h"]]:
        """The cells' centres along x and y, in picture pixels."""
        (h, w), stride = self.shapes[level], self.strides[level]
        x, y = torch.arange(w, device=self.anchors.device), torch.arange(h, device=self.anchors.device)
        return (x.to(self.anchors) + 0.5) * stride, (y.to(self.anchors) + 0.5) * stride

    def places(self, index: Int[Tensor, "*L"]) -> Places:
        """Where the anchors of these numbers stand."""
        shapes = torch.tensor(self.shapes, device=index.device)
        ends = (len(self.anchors) * shapes.prod(1)).cumsum(0)
        level = torch.searchsorted(ends, index.contiguous(), right=True)
        rest = index - torch.cat([ends.new_zeros(1), ends])[level]
        height, width = shapes[level].unbind(-1)
        cell = rest % (height * width)
        kind = rest // (height * width)
        stride = torch.tensor(self.strides, dtype=self.anchors.dtype, device=index.device)[level]
        centre = (torch.stack([cell % width, cell // width], -1) + 0.5) * stride[..., None]
        points = centre[..., None, :] + self.anchors[kind] * stride[..., None, None]
        return Places(level, kind, centre, points, pose_size(self.anchors)[kind] * stride)
