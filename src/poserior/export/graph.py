"""A trained model from a batch of crops to plain tensors: what an exported file computes."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from poserior.geometry import oks_widths
from poserior.models import ModelSpec, Regressor

OUTPUTS = ("keypoints", "covariance", "visibility", "confidence")


class Graph(nn.Module):
    """The predictor's way from crops to answers, in crop-normalised coordinates, with nothing left outside.

    Args:
        model: in eval mode.
        spec: what it was built from.
        flip_test: fuse every density with the mirrored crop's.
    """

    unit_widths: Tensor

    def __init__(self, model: Regressor, spec: ModelSpec, flip_test: bool) -> None:
        super().__init__()
        self.model = model
        self.mirror = spec.skeleton if flip_test else None
        # Those of an object of one square pixel, seen by the crop itself; widths grow with the area's root.
        oks_sigmas = torch.tensor(spec.skeleton.oks_sigmas)
        unit = oks_widths(torch.ones(1), oks_sigmas, torch.eye(2, 3)[None], spec.image_size)
        self.register_buffer("unit_widths", unit, persistent=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        calibrator = self.model.calibrator
        return OUTPUTS if calibrator is None or calibrator.area_per_box is None else (*OUTPUTS, "area_share")

    def forward(self, images: UInt8[Tensor, "B 3 H W"], area: Float[Tensor, "B"]) -> tuple[Tensor, ...]:
        """Modes ``(B, K, D)``, covariances ``(B, K, D, D)``, visibility and confidence ``(B, K)``; see docs/export.md.

        Args:
            images: RGB crops, 0..255.
            area: what the objects' areas are taken for, in square pixels of the crops.
        """
        distribution, features = self.model.predict(images.float() / 255, self.mirror)
        widths = self.unit_widths * area.sqrt()[:, None, None]
        confidence, visibility = self.model.judge(distribution, features, widths)
        share = self.model.area_share(features)
        answers = (distribution.mode, distribution.covariance, visibility, confidence)
        return answers if share is None else (*answers, share)
