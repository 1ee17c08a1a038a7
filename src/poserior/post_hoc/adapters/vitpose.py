"""ViTPose of Hugging Face's transformers."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from poserior.errors import InputError
from poserior.geometry import xyxy_to_xywh
from poserior.post_hoc.adapters.tap import inputs_of
from poserior.post_hoc.external import ExternalPeople


class VitPoseAdapter:
    """``VitPoseForPoseEstimation`` with its image processor as a source of `ExternalPeople`.

    The features are those that the decoder's last convolution receives (after the deconvolutions of the classic
    decoder, after the upsampling of the simple one), averaged over the crop. The scores are the heatmaps' maxima.

    Pixels: the processor's crop and its way back are one map between pixel *indices*: the first index of the crop and
    of the heatmap lies at the padded box's left edge, the last at its right edge. So the crop, the heatmap and the
    answer belong together, and the answers are indices of the picture, as COCO's numbers are; half a pixel is added.

    Args:
        model: the network; put in eval mode.
        processor: a ``VitPoseImageProcessor``.
        dataset_index: which expert of a mixture-of-experts model (ViTPose+) answers; None for plain models.

    Raises:
        InputError: the network has no decoder of this kind.
    """

    def __init__(self, model: nn.Module, processor: Any, dataset_index: int | None = None) -> None:
        last = getattr(getattr(model, "head", None), "conv", None)
        if not isinstance(last, nn.Module):
            raise InputError(
                f"expected a VitPoseForPoseEstimation, found {type(model).__name__} without head.conv;"
                " load it with transformers"
            )
        self.model, self.processor, self.last = model.eval(), processor, last
        self.dataset_index = dataset_index

    @classmethod
    def from_pretrained(cls, name: str | Path, dataset_index: int | None = None) -> "VitPoseAdapter":
        """The network and its processor from a folder or a model's name, as transformers loads them.

        Raises:
            InputError: transformers is not installed.
        """
        try:
            library: Any = import_module("transformers")
        except ImportError:
            raise InputError(
                "expected the package transformers for ViTPose, found none; install it with: pip install transformers"
            ) from None
        model = library.VitPoseForPoseEstimation.from_pretrained(name)
        return cls(model, library.VitPoseImageProcessor.from_pretrained(name), dataset_index)

    @torch.no_grad()
    def __call__(
        self,
        images: Sequence[UInt8[Tensor, "_ _ 3"]],
        boxes_xyxy: Sequence[Float[Tensor, "_ 4"]],
        image_id: Sequence[int | str],
        box_scores: Sequence[Float[Tensor, "_"]] | None = None,
    ) -> ExternalPeople:
        """The people in given boxes, at least one in all.

        Args:
            images: RGB, 0..255, of any sizes.
            boxes_xyxy: per picture its people's boxes.
            image_id: what the pictures are called.
            box_scores: per picture a detector's scores; 1 for annotated boxes.
        """
        # The processor counts pictures by their boxes: one without people is left out.
        shown = [n for n, boxes in enumerate(boxes_xyxy) if len(boxes)]
        if not shown:
            raise InputError("expected at least one box, found none; leave out batches without people")
        corners = [boxes_xyxy[n].float() for n in shown]
        boxes = [xyxy_to_xywh(corner).tolist() for corner in corners]
        pictures = [images[n].numpy() for n in shown]
        inputs = self.processor(pictures, boxes=boxes, return_tensors="pt", input_data_format="channels_last")
        values = inputs["pixel_values"].to(next(self.model.parameters()))
        extra: dict[str, Any] = {}
        if self.dataset_index is not None:
            extra["dataset_index"] = torch.full((len(values),), self.dataset_index, device=values.device)
        with inputs_of(self.last) as caught:
            outputs = self.model(values, **extra)
        answers = [
            person for picture in self.processor.post_process_pose_estimation(outputs, boxes) for person in picture
        ]
        scores = torch.ones(len(answers)) if box_scores is None else torch.cat([box_scores[n].float() for n in shown])
        return ExternalPeople(
            keypoints=torch.stack([person["keypoints"] for person in answers]).float() + 0.5,
            features=caught[0].float().mean((2, 3)).cpu(),
            scores=torch.stack([person["scores"] for person in answers]).float(),
            box_xyxy=torch.cat(corners),
            box_score=scores,
            image_id=tuple(image_id[n] for n, corner in zip(shown, corners, strict=True) for _ in range(len(corner))),
        )
