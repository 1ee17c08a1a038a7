"""torchvision's Keypoint R-CNN."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.errors import InputError
from poserior.post_hoc.adapters.tap import inputs_of
from poserior.post_hoc.external import ExternalPeople


class KeypointRCNNAdapter:
    """torchvision's ``keypointrcnn_resnet50_fpn`` (any network of its class) as a source of `ExternalPeople`.

    The features are those that the keypoint predictor (a transposed convolution that is the last layer) receives: the
    keypoint branch's convolutions, averaged over the RoI. The scores are the network's own, heights of the logits.

    Pixels: the network answers in whatever frame its labels had. torchvision's own weights were trained on COCO's
    numbers as they stand in its files, which are pixel indices; half a pixel makes them this library's continuous
    coordinates. For a network trained on continuous ones set `pixel_shift` to 0.

    Args:
        model: the network; put in eval mode.
        score_threshold: boxes with a lower score are left out.
        pixel_shift: added to its keypoints.

    Raises:
        InputError: the network has no keypoint branch.
    """

    def __init__(self, model: nn.Module, score_threshold: float = 0.05, pixel_shift: float = 0.5) -> None:
        branch = getattr(getattr(model, "roi_heads", None), "keypoint_predictor", None)
        if not isinstance(branch, nn.Module):
            raise InputError(
                f"expected torchvision's Keypoint R-CNN, found {type(model).__name__} without roi_heads"
                ".keypoint_predictor; build it with keypointrcnn_resnet50_fpn"
            )
        self.model, self.predictor = model.eval(), branch
        self.score_threshold, self.pixel_shift = score_threshold, pixel_shift

    @torch.no_grad()
    def __call__(self, images: Sequence[Float[Tensor, "3 _ _"]], image_id: Sequence[int | str]) -> ExternalPeople:
        """Everybody found in some pictures.

        Args:
            images: RGB in [0, 1], of any sizes, on the network's device.
            image_id: what the pictures are called.
        """
        with inputs_of(self.predictor) as caught:
            found = self.model(list(images))
        # One call for all pictures, its rows in the order of the detections.
        pooled = caught[0].float().mean((2, 3)).cpu()
        counts = [len(picture["boxes"]) for picture in found]
        names = [name for name, count in zip(image_id, counts, strict=True) for _ in range(count)]

        def column(key: str) -> Tensor:
            return torch.cat([picture[key] for picture in found]).float().cpu()

        everybody = ExternalPeople(
            keypoints=column("keypoints")[..., :2] + self.pixel_shift,
            features=pooled,
            scores=column("keypoints_scores"),
            box_xyxy=column("boxes"),
            box_score=column("scores"),
            image_id=tuple(names),
        )
        return everybody.take((everybody.box_score >= self.score_threshold).nonzero()[:, 0])
