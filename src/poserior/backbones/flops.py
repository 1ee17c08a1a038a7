"""What a backbone's arithmetic amounts to."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torchvision  # noqa: F401 (brings torch.ops.torchvision)
from torch.utils.flop_counter import FlopCounterMode

from poserior.backbones.dense_base import DenseBackbone


def multiply_adds(backbone: DenseBackbone, image_size: tuple[int, int]) -> int:
    """Multiply-adds of all convolutions and matrix products for one picture.

    A deformable convolution counts as a plain one of its size, with the convolution that tells where it looks counted
    beside it; interpolating between pixels, normalisations, activations and pooling are not counted. The backbone is
    put in eval mode. It may lie on the "meta" device, where nothing is computed.

    Args:
        backbone: pictures to maps.
        image_size: the picture's ``(H, W)``.

    >>> from poserior.backbones.hourglass import Hourglass104
    >>> with torch.device("meta"):
    ...     backbone = Hourglass104()
    >>> round(multiply_adds(backbone, (512, 512)) / 1e9)
    234
    """
    backbone.eval()
    device = next(backbone.parameters()).device
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: _deformable})
    with torch.no_grad(), counter:
        backbone(torch.zeros(1, 3, *image_size, device=device))
    return counter.get_total_flops() // 2


def _deformable(_pictures: Any, weight: Sequence[int], *_: Any, out_shape: Sequence[int], **_options: Any) -> int:
    """Flops by the shapes of what goes in and out, twice the multiply-adds; `weight` is (out, in / groups, kh, kw)."""
    return 2 * math.prod(out_shape) * math.prod(weight[1:])
