"""The one-stage network: a backbone, and in each of its cells centres, boxes and densities."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.backbones.dense_base import DenseBackbone
from poserior.dense.heads import DenseHead
from poserior.dense.heads.branch import branch
from poserior.dense.losses import PAPER_WEIGHTS, LossWeights, map_losses, weighted
from poserior.scenes import DenseTarget, Maps

RARE = -2.19  # the logit of 0.1: at the start nearly every cell is no centre


class Branches(nn.Module):
    """What one stack's features are asked: centres, offsets, sizes, the density, keypoints.

    Args:
        in_channels: of the features.
        head: the density.
        num_categories: C.
        num_keypoints: K, or 0 for mere boxes, whose size then is what the density is of.
        refine: keypoint heat and offsets too.
        channels: of each branch's hidden layer.
    """

    def __init__(
        self, in_channels: int, head: DenseHead, num_categories: int, num_keypoints: int, refine: bool, channels: int
    ) -> None:
        super().__init__()

        self.head = head
        self.centre = branch(in_channels, [RARE] * num_categories, channels)
        self.offset = branch(in_channels, [0.0] * 2, channels)
        self.size = branch(in_channels, [0.0] * 2, channels) if num_keypoints else None
        self.keypoint_heat = branch(in_channels, [RARE] * num_keypoints, channels) if refine else None
        self.keypoint_offset = branch(in_channels, [0.0] * 2, channels) if refine else None

    def forward(self, features: Float[Tensor, "B C h w"]) -> Maps:
        return Maps(
            centre=self.centre(features),
            offset=self.offset(features),
            density=self.head(features),
            size=None if self.size is None else self.size(features),
            keypoint_heat=None if self.keypoint_heat is None else self.keypoint_heat(features),
            keypoint_offset=None if self.keypoint_offset is None else self.keypoint_offset(features),
        )


class DenseModel(nn.Module):
    """Pictures to `Maps`: in each cell whether an object's centre is there, and the density of its box or pose.

    Source: Varamesh & Tuytelaars, CVPR 2020, section 3.2; Zhou et al., "Objects as points", 2019.

    Args:
        backbone: pictures to features.
        head: the density: over ``(width, height)`` with K = 0, else over the K keypoints.
        num_categories: C.
        num_keypoints: K.
        refine: keypoint heat and offsets, to which regressed keypoints can be moved.
        channels: of each branch's hidden layer.
        weights: of the losses.
    """

    def __init__(
        self,
        backbone: DenseBackbone,
        head: DenseHead,
        num_categories: int,
        num_keypoints: int = 0,
        refine: bool = False,
        channels: int = 64,
        weights: LossWeights = PAPER_WEIGHTS,
    ) -> None:
        super().__init__()
        if head.num_points != max(num_keypoints, 1):
            raise ValueError(f"expected a head for {max(num_keypoints, 1)} points, found one for {head.num_points}")
        if refine and not num_keypoints:
            raise ValueError("expected keypoints to refine, found a model of mere boxes; leave refine out")
        self.backbone, self.loss_weights = backbone, weights
        self.num_categories, self.num_keypoints, self.refine = num_categories, num_keypoints, refine
        heads = [deepcopy(head) for _ in range(backbone.stacks - 1)] + [head]
        self.stacks = nn.ModuleList(
            Branches(backbone.out_channels, own, num_categories, num_keypoints, refine, channels) for own in heads
        )

    @property
    def head(self) -> DenseHead:
        """The last stack's density: the one that predicts."""
        found: Any = self.stacks[-1].head
        assert isinstance(found, DenseHead)
        return found

    @property
    def stride(self) -> int:
        """Picture pixels per cell."""
        return self.backbone.stride

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Maps]:
        """Each stack's maps, of RGB in [0, 1]; a prediction goes by the last."""
        return [branches(features) for branches, features in zip(self.stacks, self.backbone(images), strict=True)]

    def predict(self, images: Float[Tensor, "B 3 H W"]) -> Maps:
        """The last stack's maps alone."""
        maps: Maps = self.stacks[-1](self.backbone(images)[-1])
        return maps

    def loss(self, images: Float[Tensor, "B 3 H W"], target: DenseTarget) -> dict[str, Float[Tensor, ""]]:
        """``loss``, the weighted sum, and its parts as they are; all averaged over the stacks."""
        return self.maps_loss(self(images), target)

    def maps_loss(self, maps: Sequence[Maps], target: DenseTarget) -> dict[str, Float[Tensor, ""]]:
        """`loss` of what `forward` gave."""
        found = [
            map_losses(own, target, branches.head)  # type: ignore[arg-type]  # a ModuleList forgets its kind
            for own, branches in zip(maps, self.stacks, strict=True)
        ]
        parts = {name: torch.stack([losses[name] for losses in found]).mean() for name in found[0]}
        return {"loss": weighted(parts, self.loss_weights), **parts}
