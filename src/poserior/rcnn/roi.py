"""The second stage: boxes as torchvision's, keypoints as densities in the box's own coordinates."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import RoIHeads as TorchvisionRoIHeads
from torchvision.models.detection.roi_heads import fastrcnn_loss

from poserior.calibration import Calibrator
from poserior.geometry import BOX_TO_AREA
from poserior.heads import Head
from poserior.models import VISIBILITY_WEIGHT


def from_roi(box_xyxy: Float[Tensor, "R 4"]) -> tuple[Float[Tensor, "R 1 2"], Float[Tensor, "R 1 2"]]:
    """``(scale, shift)`` with ``point = scale * roi_normalised + shift``: the box's sides and its centre.

    >>> [part.flatten().tolist() for part in from_roi(torch.tensor([[10.0, 20.0, 14.0, 30.0]]))]
    [[4.0, 10.0], [12.0, 25.0]]
    """
    scale = box_xyxy[:, None, 2:] - box_xyxy[:, None, :2]
    return scale, box_xyxy[:, None, :2] + scale / 2


def to_roi(points: Float[Tensor, "R K 2"], box_xyxy: Float[Tensor, "R 4"]) -> Float[Tensor, "R K 2"]:
    """Points to RoI-normalised coordinates: the box's edges are at -0.5 and 0.5; points outside it lie beyond.

    >>> to_roi(torch.tensor([[[10.0, 25.0], [16.0, 30.0]]]), torch.tensor([[10.0, 20.0, 14.0, 30.0]])).tolist()
    [[[-0.5, 0.0], [1.0, 0.5]]]
    """
    scale, shift = from_roi(box_xyxy)
    return (points - shift) / scale


class RoIHeads(TorchvisionRoIHeads):  # type: ignore[misc]  # torchvision is untyped
    """torchvision's second stage with a density head in place of the keypoint heatmaps.

    Training adds ``loss_keypoint`` (and ``loss_visibility``) to the detector's losses: `Head.loss` in RoI-normalised
    coordinates, the mean over the labelled keypoints of the positive RoIs. Unlike heatmaps, a density reaches beyond
    its box: labels outside the proposal count too.

    At inference each picture's result carries ``densities`` (RoI-normalised, ``batch_shape (N, K)``; `from_roi` of the
    result's boxes takes them to pixels, whatever size those were scaled to), ``confidence`` and ``visibility``
    ``(N, K)``.

    Args:
        detector: torchvision's second stage, whose box branch and settings are taken over.
        pool: RoIAlign.
        tower: RoI features to the head's features.
        head: the density.
        calibrator: confidence and visibility.
        oks_sigmas: COCO's constants of the keypoints.
        keypoint_weight: of the keypoints' loss beside the detector's.
    """

    oks_sigmas: Tensor

    def __init__(
        self,
        detector: TorchvisionRoIHeads,
        pool: nn.Module,
        tower: nn.Module,
        head: Head,
        calibrator: Calibrator,
        oks_sigmas: Sequence[float],
        keypoint_weight: float = 1.0,
    ) -> None:
        nn.Module.__init__(self)
        self.__dict__.update({key: value for key, value in vars(detector).items() if not key.startswith("_")})
        for name, module in detector.named_children():
            setattr(self, name, module)
        self.pool, self.tower, self.density_head, self.calibrator = pool, tower, head, calibrator
        self.keypoint_weight = keypoint_weight
        self.register_buffer("oks_sigmas", torch.tensor(oks_sigmas), persistent=False)

    def forward(
        self,
        features: Mapping[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
        """Detections of every picture, or the losses in training mode (torchvision's interface)."""
        if self.training:
            proposals, matched, labels, regression = self.select_training_samples(proposals, targets)
        outputs = self.box_predictor(self.box_head(self.box_roi_pool(features, proposals, image_shapes)))
        if not self.training:
            found = self.postprocess_detections(*outputs, proposals, image_shapes)
            rois = found[0]
            law, seen = self._densities(features, rois, image_shapes)
            boxes = torch.cat(rois)
            confidence, visibility = self.calibrator(law, seen, self._widths(boxes))
            ends = torch.tensor([0, *map(len, rois)]).cumsum(0).tolist()
            return [
                {
                    "boxes": box,
                    "scores": score,
                    "labels": label,
                    "densities": law[start:end],
                    "confidence": confidence[start:end],
                    "visibility": visibility[start:end],
                }
                for box, score, label, start, end in zip(*found, ends[:-1], ends[1:], strict=True)
            ], {}
        assert targets is not None
        classify, regress = fastrcnn_loss(*outputs, labels, regression)
        positive = [label > 0 for label in labels]
        rois = [boxes[keep] for boxes, keep in zip(proposals, positive, strict=True)]
        # A picture without people has no keypoints to point at, and no positive RoI either.
        wanted = torch.cat(
            [t["keypoints"][m[keep]] for t, m, keep in zip(targets, matched, positive, strict=True) if len(t["boxes"])]
            or [torch.zeros(0, len(self.oks_sigmas), 3, device=outputs[0].device)]
        )
        law, seen = self._densities(features, rois, image_shapes)
        losses = self.keypoint_losses(law, seen, wanted, torch.cat(rois))
        return [], {"loss_classifier": classify, "loss_box_reg": regress, **losses}

    def keypoint_losses(
        self, law: Any, seen: Float[Tensor, "R C h w"], keypoints: Float[Tensor, "R K 3"], rois: Float[Tensor, "R 4"]
    ) -> dict[str, Float[Tensor, ""]]:
        """``loss_keypoint`` and ``loss_visibility`` of R positive RoIs with their people's keypoints in pixels.

        Args:
            law: the head's answer, RoI-normalised.
            seen: the features it was given.
            keypoints: pixels and visibility.
            rois: corners in the same pixels.
        """
        labelled = keypoints[..., 2] > 0
        target = torch.where(labelled[..., None], to_roi(keypoints[..., :2], rois), 0.0)
        per_keypoint = torch.where(labelled, self.density_head.loss(law, target), 0.0)
        loss = self.keypoint_weight * per_keypoint.sum() / labelled.sum().clamp_min(1)
        visible = self.calibrator.loss(seen, keypoints[..., 2].long()) if len(rois) else per_keypoint.sum()
        return {"loss_keypoint": loss, "loss_visibility": VISIBILITY_WEIGHT * visible}

    def _densities(
        self, features: Mapping[str, Tensor], rois: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[Any, Tensor]:
        seen: Tensor = self.tower(self.pool(features, rois, image_shapes))
        return self.density_head(seen), seen

    def _widths(self, boxes: Float[Tensor, "R 4"]) -> Float[Tensor, "R K 2"]:
        """The OKS kernel's width in RoI-normalised units, the object's area taken from the box."""
        sides = from_roi(boxes)[0]
        reach = 2 * self.oks_sigmas.to(boxes)[None, :, None] * (BOX_TO_AREA * sides.prod(-1)).sqrt()[..., None]
        return reach / sides
