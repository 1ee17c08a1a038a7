"""Confidence as the OKS that can be expected under the predicted density."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from poserior.calibration.base import Calibrator
from poserior.distributions import Distribution, GaussianKernel


def expected_oks(
    distribution: Distribution,
    area: Float[Tensor, "*N"] | float | int,
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
    point: Float[Tensor, "*N K D"] | None = None,
) -> Float[Tensor, "*N K"]:
    """``E[OKS_k] = E_y exp(-|y - point|^2 / (2 area (2 sigma_k)^2))``: how good the answer `point` is believed to be.

    Closed forms (Gaussian, Laplace) or quadrature, as the density has them. For an isotropic 2-D Gaussian of standard
    deviation s, answered by its mean, this is ``l^2 / (l^2 + s^2)`` with ``l = 2 sigma_k sqrt(area)`` (CCNet, eq. 12).

    Args:
        distribution: in image pixels, ``batch_shape (N, K)`` or ``(K,)``.
        area: the object's in square image pixels: ``(N,)``, or one number for all.
        oks_sigmas: COCO's constants, one per keypoint.
        point: the answer in image pixels; the density's mode by default.

    Raises:
        ValueError: the number of constants or areas does not fit the density, or an area is not positive.
    """
    *people, num_keypoints = distribution.batch_shape
    answer = distribution.mode if point is None else point
    sigmas = torch.as_tensor(oks_sigmas, dtype=answer.dtype, device=answer.device)
    areas = torch.as_tensor(area, dtype=answer.dtype, device=answer.device)
    if sigmas.shape != (num_keypoints,):
        raise ValueError(
            f"expected {num_keypoints} oks_sigmas, one per keypoint, found {tuple(sigmas.shape)}; give as many"
        )
    if areas.ndim and areas.shape != torch.Size(people):
        raise ValueError(
            f"expected areas of shape {tuple(people)} or one number, found {tuple(areas.shape)}; reshape them"
        )
    if not bool((areas > 0).all()):
        raise ValueError(f"expected positive areas, found {float(areas.min())}; leave those people out")
    widths = (2 * sigmas * areas.sqrt()[..., None])[..., None].expand_as(answer)
    return distribution.expectation(GaussianKernel(answer, widths))


def instance_confidence(
    confidence: Float[Tensor, "*N K"], visibility: Float[Tensor, "*N K"] | Int[Tensor, "*N K"] | Bool[Tensor, "*N K"]
) -> Float[Tensor, "*N"]:
    """A person's confidence ``sum_k v_k c_k / sum_k v_k``, the form of OKS itself; 0 if nothing shows.

    CCNet, section 5 (its eq. 7 with the predicted visibility).

    Args:
        confidence: of every keypoint, in [0, 1].
        visibility: probability that the keypoint is labelled.

    >>> instance_confidence(torch.tensor([0.8, 0.5]), torch.tensor([1.0, 0.5])).item()
    0.699999988079071
    """
    weight = visibility.to(confidence.dtype)
    total = weight.sum(-1)
    return (weight * confidence).sum(-1) / torch.where(total > 0, total, torch.ones_like(total))


class ExpectedOks(Calibrator):
    """Confidence ``E[OKS at the mode]`` under the density; visibility from a linear layer.

    The layer sees the features averaged over the picture and *detached*: learning visibility changes nothing in the
    backbone, so poses, densities and confidences are those of a model without it. Nothing is learned for the
    confidence, it follows from the density.

    Args:
        in_channels: C of the features.
        num_keypoints: K.
    """

    def __init__(self, in_channels: int, num_keypoints: int) -> None:
        super().__init__()
        self.visibility = nn.Linear(in_channels, num_keypoints)

    def _logits(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        logits: Tensor = self.visibility(features.detach().mean((2, 3)))
        return logits

    def forward(
        self, distribution: Distribution, features: Float[Tensor, "B C H W"], widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        confidence = distribution.expectation(GaussianKernel(distribution.mode, widths))
        return confidence.clamp(0, 1), self._logits(features).sigmoid()

    def loss(
        self,
        features: Float[Tensor, "B C H W"],
        visibility: Int[Tensor, "B K"] | Bool[Tensor, "B K"],
        share: Float[Tensor, "B"] | None = None,
    ) -> Float[Tensor, ""]:
        """Binary cross-entropy of "labelled or not" (``v > 0``), in nats, mean over people and keypoints."""
        del share
        logits = self._logits(features)
        return functional.binary_cross_entropy_with_logits(logits, (visibility > 0).to(logits.dtype))
