"""Point-set anchors: one network, one pass; every pose in the picture from the pose anchor that resembles it most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from poserior.backbones.dense_base import DenseBackbone
from poserior.dense.point_set.anchors import AnchorGrid, Places
from poserior.dense.point_set.head import PointLaw
from poserior.dense.point_set.indexed import ShapeIndexed
from poserior.dense.point_set.losses import class_loss, draw_near, mean_over_labelled
from poserior.dense.point_set.matching import match_scene
from poserior.distributions import LocScale
from poserior.scenes import SceneBatch


@dataclass(frozen=True, eq=False)
class AnchorMaps:
    """What the network says of all anchors of B pictures.

    Attributes:
        logits: ``(B, T)``: does this anchor stand on a person?
        levels: the feature maps that offsets are regressed from.
        grid: the anchors.
    """

    logits: Float[Tensor, "B T"]
    levels: tuple[Float[Tensor, "B C _ _"], ...]
    grid: AnchorGrid


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage's regression at S anchors of each of B pictures.

    Attributes:
        offset: the law of ``(keypoint - points) / size``, ``batch_shape (B, S, K)``.
        points: ``(B, S, K, 2)`` what it starts from, in picture pixels.
        size: ``(B, S)`` the anchors' sizes in picture pixels.
    """

    offset: LocScale
    points: Float[Tensor, "B S K 2"]
    size: Float[Tensor, "B S"]

    def in_picture(self) -> LocScale:
        """The law of the keypoints in picture pixels."""
        return self.offset.affine(self.size[..., None, None], self.points)

    def target(self, keypoints: Float[Tensor, "B S K 2"]) -> Float[Tensor, "B S K 2"]:
        """Keypoints in picture pixels as offsets."""
        return (keypoints - self.points) / self.size[..., None, None]


class PointSetModel(nn.Module):
    """Whole pictures to classes of anchors, and from chosen anchors to densities of all keypoints.

    A pyramid of `levels` maps stands on the backbone's last; on each cell of each stand A pose anchors. A class says
    which of them stand on people. The keypoints are regressed from features at the anchor's points (stage 1), then
    from features at the points found (stage 2), as densities of the offset.

    Sources: Wei et al., "Point-set anchors for object detection, instance segmentation and pose estimation", ECCV
    2020; Li et al., "Human pose regression with residual log-likelihood estimation", ICCV 2021, Table 2d.
    docs/point-set-anchors.md says what differs.

    Args:
        backbone: pictures to features.
        anchors: ``(A, K, 2)`` poses in cells about the cell's centre, see `anchor_set`; stored with the weights.
        laws: what is regressed, one per stage: `AnchorRLE` or `AnchorL1`.
        oks_sigmas: COCO's constants of the K keypoints.
        levels: maps of the pyramid, each half as fine as the one before.
        channels: of the pyramid.
        widening: anchors are matched with people by OKS with `oks_sigmas` this many times as wide: an anchor is no
            answer yet, and COCO's own constants call nearly every anchor wrong.
        positive: OKS from which an anchor answers for a person.
        negative: OKS below which it learns that nobody is there.
        most: anchors per picture whose offsets are learnt in a step.
        points_weight: of the regression beside the class.

    Raises:
        ValueError: numbers that do not go together.
    """

    anchors: Tensor
    oks_sigmas: Tensor

    def __init__(
        self,
        backbone: DenseBackbone,
        anchors: Float[Tensor, "A K 2"],
        laws: Sequence[PointLaw],
        oks_sigmas: Sequence[float],
        levels: int = 3,
        channels: int = 64,
        widening: float | int = 2.0,
        positive: float = 0.5,
        negative: float = 0.4,
        most: int = 128,
        points_weight: float | int = 1.0,
    ) -> None:
        super().__init__()
        kinds, num_points, _ = anchors.shape
        if len(oks_sigmas) != num_points:
            raise ValueError(f"expected {num_points} oks_sigmas, as anchors have points, found {len(oks_sigmas)}")
        if levels < 1 or not laws or not widening > 0:
            raise ValueError(
                f"expected at least one level and one law and a positive widening,"
                f" found {levels}, {len(laws)} and {widening}"
            )
        self.backbone, self.widening, self.most, self.points_weight = backbone, float(widening), most, points_weight
        self.positive, self.negative = positive, negative
        self.register_buffer("anchors", anchors.clone())
        self.register_buffer("oks_sigmas", torch.tensor(oks_sigmas, dtype=torch.float32), persistent=False)
        self.strides = [backbone.stride * 2**level for level in range(levels)]
        widths = [backbone.out_channels, *[channels] * (levels - 1)]
        self.pyramid = nn.ModuleList(
            _block(width, channels, stride=1 if level == 0 else 2) for level, width in enumerate(widths)
        )
        self.classify = nn.Sequential(_block(channels, channels), nn.Conv2d(channels, kinds, 1))
        last = self.classify[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        nn.init.constant_(last.bias, -math.log(99))  # one anchor in a hundred: nothing to unlearn at first
        self.laws = nn.ModuleList(laws)
        self.regress = nn.ModuleList(ShapeIndexed(channels, kinds, law.initial(), num_points) for law in laws)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[AnchorMaps]:
        """Of RGB in [0, 1], one per stack of the backbone; the last counts at prediction."""
        return [self._maps(features) for features in self.backbone(images)]

    def _maps(self, features: Float[Tensor, "B C h w"]) -> AnchorMaps:
        levels = []
        for block in self.pyramid:
            features = block(features)
            levels.append(features)
        logits = torch.cat([self.classify(level).flatten(1) for level in levels], 1).to(self.anchors)
        shapes = tuple((level.shape[2], level.shape[3]) for level in levels)
        levels = [level.to(self.anchors) for level in levels]
        return AnchorMaps(logits, tuple(levels), AnchorGrid(self.anchors, shapes, tuple(self.strides)))

    def at(self, maps: AnchorMaps, index: Int[Tensor, "B S"]) -> list[Stage]:
        """The regressions at these anchors, stage by stage; the last counts. Full precision whatever autocast says."""
        places: Places = maps.grid.places(index)
        points, stages = places.points, []
        with torch.autocast(index.device.type, enabled=False):
            for law, regress in zip(self._laws(), self.regress, strict=True):
                raw = regress(maps.levels, maps.grid.strides, places, points)
                stage = Stage(law.density(raw), points, places.size)
                stages.append(stage)
                points = stage.in_picture().loc.detach()
        return stages

    def loss(self, images: Float[Tensor, "B 3 H W"], batch: SceneBatch) -> dict[str, Tensor]:
        """``loss``, and its parts ``class`` and ``points`` (the stages' sum), means over the backbone's stacks."""
        each = [self._loss(maps, batch) for maps in self(images)]
        parts = {key: torch.stack([one[key] for one in each]).mean() for key in each[0]}
        return {"loss": parts["class"] + self.points_weight * parts["points"], **parts}

    def _loss(self, maps: AnchorMaps, batch: SceneBatch) -> dict[str, Tensor]:
        matched = match_scene(maps.grid, batch, self.widening * self.oks_sigmas, self.positive, self.negative)
        index, chosen = draw_near(matched, self.most)
        keypoints, labelled = _people_at(batch, matched.person.gather(1, index), chosen)
        points = torch.stack(
            [
                mean_over_labelled(law.loss(stage.offset, stage.target(keypoints), labelled), labelled)
                for law, stage in zip(self._laws(), self.at(maps, index), strict=True)
            ]
        )
        return {"class": class_loss(maps.logits, matched), "points": points.sum()}

    def _laws(self) -> list[PointLaw]:
        return [law for law in self.laws if isinstance(law, PointLaw)]


def _people_at(
    batch: SceneBatch, person: Int[Tensor, "B S"], chosen: Bool[Tensor, "B S"]
) -> tuple[Float[Tensor, "B S K 2"], Bool[Tensor, "B S K"]]:
    """The keypoints of the person each anchor answers for, and which count."""
    rows = torch.arange(len(person), device=person.device)[:, None]
    return batch.keypoints[rows, person], (batch.visibility[rows, person] > 0) & chosen[..., None]


def _block(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.GroupNorm(8, out), nn.ReLU())
