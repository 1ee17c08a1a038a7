"""torchvision's Keypoint R-CNN, its heatmaps replaced by a density head."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads
from torchvision.ops import MultiScaleRoIAlign

from poserior import heads, skeletons
from poserior.calibration import ExpectedOks, instance_confidence
from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA
from poserior.rcnn.roi import RoIHeads, from_roi
from poserior.skeletons import Skeleton
from poserior.structures import Prediction


class KeypointRCNN(nn.Module):
    """Find people and their keypoints in whole pictures, each keypoint as a density.

    RoI features (14 x 14 RoIAlign) go through a stack of convolutions to a head of `poserior.heads`, which pools
    them and regresses in the box's own coordinates. Like torchvision's detectors: in training mode
    ``model(images, targets)`` is a dict of losses to add up, otherwise ``model(images)`` a list of dicts; `predict`
    gives `Prediction`s.

    Args:
        backbone: pictures to a dict of feature maps, with an ``out_channels``: any of torchvision's with an FPN.
        head: from ``(channels, K)`` to the head: a class of `poserior.heads`, or a function with its options.
        skeleton: what the keypoints are.
        layers: convolutions of the keypoint branch.
        channels: their width.
        keypoint_weight: of the keypoints' loss beside the detector's.
        options: passed on to torchvision's `FasterRCNN`: ``min_size``, ``box_score_thresh``, ...

    Source: He et al., "Mask R-CNN", ICCV 2017; with RLE: Li et al., ICCV 2021, section 5.1 and Table 2(c), whose
    branch has 8 convolutions, an average pooling layer and one fully connected layer.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: Callable[[int, int], heads.Head] = heads.RLE,
        skeleton: Skeleton | None = None,
        layers: int = 8,
        channels: int = 512,
        keypoint_weight: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.skeleton = skeletons.load("coco17") if skeleton is None else skeleton
        width: Any = backbone.out_channels
        self.detector = FasterRCNN(backbone, num_classes=2, **options)
        maps = self.detector.roi_heads.box_roi_pool.featmap_names
        self.detector.roi_heads = RoIHeads(
            self.detector.roi_heads,
            pool=MultiScaleRoIAlign(featmap_names=maps, output_size=14, sampling_ratio=2),
            tower=KeypointRCNNHeads(width, (channels,) * layers),
            head=head(channels, self.skeleton.num_keypoints),
            calibrator=ExpectedOks(channels, self.skeleton.num_keypoints),
            oks_sigmas=self.skeleton.oks_sigmas,
            keypoint_weight=keypoint_weight,
        )

    def forward(
        self, images: Sequence[Float[Tensor, "3 _ _"]], targets: Sequence[dict[str, Tensor]] | None = None
    ) -> Any:
        """Losses in training mode, else one dict per picture.

        Args:
            images: RGB in [0, 1], of any sizes.
            targets: per picture ``boxes`` (N, 4) corners, ``labels`` (N,) ones, ``keypoints`` (N, K, 3) with visibility
                0/1/2, all in pixels; see `detection_targets`. Pictures without people are welcome.

        Returns:
            ``loss_classifier, loss_box_reg, loss_objectness, loss_rpn_box_reg, loss_keypoint, loss_visibility``; or
            ``boxes, scores, labels, confidence, visibility`` and ``densities``, see `RoIHeads`.

        Raises:
            InputError: keypoints of another skeleton, or no targets in training mode.
        """
        if self.training:
            if targets is None:
                raise InputError("expected targets in training mode, found none; pass them or call model.eval()")
            for target in targets:
                if target["keypoints"].shape[1:] != (self.skeleton.num_keypoints, 3):
                    raise InputError(
                        f"expected keypoints of shape (N, {self.skeleton.num_keypoints}, 3) for"
                        f" {self.skeleton.name}, found {tuple(target['keypoints'].shape)}; correct the targets"
                    )
        return self.detector(list(images), None if targets is None else [dict(target) for target in targets])

    @torch.no_grad()
    def predict(
        self,
        images: Sequence[Float[Tensor, "3 _ _"]],
        score_threshold: float = 0.05,
        image_ids: Sequence[int | str] | None = None,
    ) -> list[list[Prediction]]:
        """Everybody in every picture, best first, in the picture's pixels; puts the model in eval mode.

        A person's score is the box's times the visibility-weighted mean confidence.

        Args:
            images: RGB in [0, 1], of any sizes.
            score_threshold: boxes with a lower score are left out.
            image_ids: what the predictions call the pictures; their positions if not given.
        """
        self.eval()
        if not images:
            return []
        names = range(len(images)) if image_ids is None else image_ids
        return [
            _people(found, self.skeleton, name, score_threshold)
            for found, name in zip(self(images), names, strict=True)
        ]


def _people(found: dict[str, Any], skeleton: Skeleton, name: int | str, threshold: float) -> list[Prediction]:
    keep = found["scores"] >= threshold
    boxes, visibility, confidence = (found[key][keep] for key in ("boxes", "visibility", "confidence"))
    law = found["densities"][keep].affine(*from_roi(boxes))
    scores = found["scores"][keep] * instance_confidence(confidence, visibility)
    mode, covariance = law.mode.float().cpu(), law.covariance.float().cpu()
    boxes, visibility, confidence, scores = (part.float().cpu() for part in (boxes, visibility, confidence, scores))
    return [
        Prediction(
            keypoints=mode[n],
            covariance=covariance[n],
            visibility=visibility[n],
            confidence=confidence[n],
            score=float(scores[n]),
            box_xyxy=boxes[n],
            skeleton=skeleton,
            image_id=name,
            area=float(BOX_TO_AREA * (boxes[n, 2:] - boxes[n, :2]).prod()),
            distribution=law[n],
        )
        for n in scores.argsort(descending=True).tolist()
    ]


def keypoint_rcnn(
    backbone: str = "resnet50",
    head: Callable[[int, int], heads.Head] = heads.RLE,
    skeleton: Skeleton | str | Path = "coco17",
    weights: Literal["DEFAULT"] | None = None,
    trainable_layers: int | None = None,
    **options: Any,
) -> KeypointRCNN:
    """A `KeypointRCNN` on one of torchvision's ResNets with a feature pyramid.

    Args:
        backbone: ``"resnet18"``, ``"resnet50"``, ...
        head: see `KeypointRCNN`.
        skeleton: one, or its name or YAML file.
        weights: of the backbone: None for random ones, ``"DEFAULT"`` for ImageNet's (downloaded once). With them its
            batch normalisation is frozen; without them it learns, for random weights cannot do without.
        trainable_layers: how many of the backbone's five stages learn; all of them, or with weights the last three.
        options: passed on to `KeypointRCNN` and torchvision's `FasterRCNN`.

    Raises:
        InputError: torchvision has no such ResNet.
    """
    if not backbone.startswith(("resnet", "resnext", "wide_resnet")):
        raise InputError(f"expected one of torchvision's ResNets, found {backbone!r}; e.g. resnet50")
    norm = {} if weights is not None else {"norm_layer": nn.BatchNorm2d}
    learning = trainable_layers if trainable_layers is not None else (5 if weights is None else 3)
    try:
        body = resnet_fpn_backbone(backbone_name=backbone, weights=weights, trainable_layers=learning, **norm)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"expected one of torchvision's ResNets, found {backbone!r} ({error}); e.g. resnet50"
        ) from None
    chosen = skeleton if isinstance(skeleton, Skeleton) else skeletons.load(skeleton)
    return KeypointRCNN(body, head, chosen, **options)
