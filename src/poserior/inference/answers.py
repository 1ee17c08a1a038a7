"""One batch of crops through the model: the density, and what follows from it, in both frames."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from poserior.calibration import instance_confidence
from poserior.distributions import Distribution
from poserior.geometry import box_area, invert_affine, oks_widths
from poserior.models import Model, ModelSpec
from poserior.structures import Target


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model says of B crops.

    Attributes:
        distribution: crop-normalised coordinates, ``batch_shape (B, K)``.
        scale: ``(B, 1, D)``, image pixels per crop-normalised unit; with `shift` the map to the picture.
        shift: ``(B, 1, D)``, where the crop's centre lies in the picture.
        mode: ``(B, K, D)`` image pixels.
        mean: ``(B, K, D)`` image pixels.
        covariance: ``(B, K, D, D)`` square image pixels.
        confidence: ``(B, K)``.
        visibility: ``(B, K)``.
        score: ``(B,)`` the visibility-weighted mean of `confidence`.
        area: ``(B,)`` the object's area in square image pixels: predicted where the model does so, else taken from the
            box.
    """

    distribution: Distribution
    scale: Float[Tensor, "B 1 D"]
    shift: Float[Tensor, "B 1 D"]
    mode: Float[Tensor, "B K D"]
    mean: Float[Tensor, "B K D"]
    covariance: Float[Tensor, "B K D D"]
    confidence: Float[Tensor, "B K"]
    visibility: Float[Tensor, "B K"]
    score: Float[Tensor, "B"]
    area: Float[Tensor, "B"]

    def in_image(self) -> Distribution:
        """The density itself in image pixels."""
        return self.distribution.affine(self.scale, self.shift)


def answer(model: Model, spec: ModelSpec, images: UInt8[Tensor, "B 3 H W"], target: Target, flip_test: bool) -> Answers:
    """Run the model on crops that are upright and not mirrored.

    The object's area, which the confidence depends on, is the share of its box that the model predicts, or
    ``spec.area_per_box`` of it where it predicts none. A model without a calibrator has the expected OKS at the mode
    for its confidence and takes every keypoint for visible.

    Args:
        model: in eval mode, on the device of `images`.
        spec: what the model was built from.
        images: RGB, 0..255.
        target: only `crop` and `box_xyxy` are looked at.
        flip_test: fuse the density with the mirrored crop's.
    """
    pictures = images.float() / 255
    distribution, features = model.predict(pictures, spec.skeleton if flip_test else None)
    mode = distribution.mode
    crop = target.crop.to(images.device)
    box_xyxy = target.box_xyxy.to(mode)
    area = spec.expected_area(box_xyxy)
    oks_sigmas = torch.tensor(spec.skeleton.oks_sigmas, dtype=mode.dtype, device=mode.device)
    widths = oks_widths(area, oks_sigmas, crop, spec.image_size)
    confidence, visibility = model.judge(distribution, features, widths)
    share = model.area_share(features)
    scale, shift = to_image(crop, spec.image_size)
    scale, shift = scale.to(mode), shift.to(mode)
    return Answers(
        distribution,
        scale,
        shift,
        mode * scale + shift,
        distribution.mean * scale + shift,
        distribution.covariance * scale[..., None] * scale[..., None, :],
        confidence,
        visibility,
        instance_confidence(confidence, visibility),
        area if share is None else box_area(box_xyxy) * share.to(mode),
    )


def to_image(
    crop: Float[Tensor, "B 2 3"], image_size: tuple[int, int]
) -> tuple[Float[Tensor, "B 1 2"], Float[Tensor, "B 1 2"]]:
    """``(scale, shift)`` with ``image_point = scale * crop_normalised_point + shift``, for crops without rotation.

    >>> crop = torch.tensor([[[2.0, 0.0, -20.0], [0.0, 2.0, 10.0]]])
    >>> [part.flatten().tolist() for part in to_image(crop, (64, 48))]
    [[24.0, 32.0], [22.0, 11.0]]
    """
    back = invert_affine(crop)
    sides = torch.tensor([image_size[1], image_size[0]], dtype=crop.dtype, device=crop.device)
    scale = back[:, :2].diagonal(dim1=-2, dim2=-1) * sides
    return scale[:, None], (scale / 2 + back[..., 2])[:, None]
