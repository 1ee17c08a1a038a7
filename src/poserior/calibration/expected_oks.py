"""Confidence as the OKS that can be expected under the predicted density."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from poserior.calibration.base import Calibrator
from poserior.distributions import Distribution, GaussianKernel

SHARES = (0.001, 10.0)
"""Within these bounds a predicted share of the box is believed: a picture like none before may ask for anything."""


def expected_oks(
    distribution: Distribution,
    area: Float[Tensor, "*N"] | float | int,
    oks_sigmas: Float[Tensor, "K"] | Sequence[float],
    point: Float[Tensor, "*N K D"] | None = None,
) -> Float[Tensor, "*N K"]:
    """``E[OKS_k] = E_y exp(-|y - point|^2 / (2 area (2 sigma_k)^2))``: how good the answer `point` is believed to be.

    For an isotropic 2-D Gaussian of standard deviation s, answered by its mean, this is ``l^2 / (l^2 + s^2)`` with
    ``l = 2 sigma_k sqrt(area)`` (CCNet, eq. 12). How it is computed depends on the density:

    - closed forms: `Gaussian`, `FullGaussian`, `Laplace`, `Plateau`, mixtures of them, and the keypoints of
      `PoseGaussianMixture` (`PoseMarginals`);
    - exact sums over cells: `Grid`, `ProductGrid`;
    - quadrature: `StudentT` (one dimension, to 1e-6), `Energy` (the cells of its own grid), flows (2048 points that
      follow the law; both to about 0.001, less exact the further a kernel is narrower than the law).

    Gradients reach the point, the area and the density's parameters: locations, scales, weights, logits, an energy's
    f, and a flow in training mode (in eval mode its points are stored constants). If `point` is not given, the modes
    that are found by a search (mixtures, grids, energies, flows) count as fixed in the gradient.

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
    """Confidence ``E[OKS at the mode]`` under the density; visibility, and the object's area, from linear layers.

    The layers see the features averaged over the picture and *detached*: learning them changes nothing in the
    backbone, so poses and densities are those of a model without them. The confidence follows from the density and
    from the object's area alone.

    With `area_per_box` the area is predicted, as the logarithm of its share of the box (CCNet, Table 1, "Pred"): OKS
    forgives a large person more than a small one in a box of the same size. The kernel's widths are expected to assume
    a share of `area_per_box` and are multiplied by ``sqrt(predicted share / area_per_box)``.

    Args:
        in_channels: C of the features.
        num_keypoints: K.
        area_per_box: the mean share of its box that an object's area is, where the prediction starts; without it no
            area is predicted.

    Raises:
        ValueError: `area_per_box` is no positive number.
    """

    def __init__(self, in_channels: int, num_keypoints: int, area_per_box: float | int | None = None) -> None:
        super().__init__()
        self.visibility = nn.Linear(in_channels, num_keypoints)
        self.area: nn.Linear | None = None
        if area_per_box is not None:
            if not (area_per_box > 0 and math.isfinite(area_per_box)):
                raise ValueError(f"expected a positive area_per_box, found {area_per_box}; 0.53 is COCO's")
            self.area_per_box = float(area_per_box)
            self.area = nn.Linear(in_channels, 1)
            nn.init.zeros_(self.area.weight)
            nn.init.constant_(self.area.bias, math.log(area_per_box))

    def area_share(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B"] | None:
        """The predicted share of the box, kept within `SHARES`; None without `area_per_box`."""
        if self.area is None:
            return None
        low, high = SHARES
        return self._log_share(self.area, _pooled(features)).clamp(math.log(low), math.log(high)).exp()

    def forward(
        self, distribution: Distribution, features: Float[Tensor, "B C H W"], widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        share = self.area_share(features)
        if share is not None and self.area_per_box is not None:
            widths = widths * (share / self.area_per_box).sqrt()[:, None, None].to(widths.dtype)
        confidence = distribution.expectation(GaussianKernel(distribution.mode, widths))
        visibility: Tensor = self.visibility(_pooled(features)).sigmoid()
        return confidence.clamp(0, 1), visibility

    def loss(
        self,
        features: Float[Tensor, "B C H W"],
        visibility: Int[Tensor, "B K"] | Bool[Tensor, "B K"],
        share: Float[Tensor, "B"] | None = None,
    ) -> Float[Tensor, ""]:
        """`visibility_loss` plus `area_loss`; no parameter occurs in both, so neither changes the other's gradient."""
        loss = self.visibility_loss(features, visibility)
        return loss if share is None else loss + self.area_loss(features, share)

    def visibility_loss(
        self, features: Float[Tensor, "B C H W"], visibility: Int[Tensor, "B K"] | Bool[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """Binary cross-entropy of "labelled or not" (``v > 0``), in nats, mean over people and keypoints."""
        logits = self.visibility(_pooled(features))
        return functional.binary_cross_entropy_with_logits(logits, (visibility > 0).to(logits.dtype))

    def area_loss(self, features: Float[Tensor, "B C H W"], share: Float[Tensor, "B"]) -> Float[Tensor, ""]:
        """Mean of ``|predicted log share - log share|`` over the people whose share is known; 0 without any.

        An unknown share is not finite or not positive.
        """
        pooled = _pooled(features)
        if self.area is None:
            return pooled.new_zeros(())
        known = share.isfinite() & (share > 0)
        error = self._log_share(self.area, pooled) - torch.where(known, share, 1.0).log().to(pooled.dtype)
        return (error.abs() * known).sum() / known.sum().clamp_min(1)

    @staticmethod
    def _log_share(layer: nn.Linear, pooled: Float[Tensor, "B C"]) -> Float[Tensor, "B"]:
        log_share: Tensor = layer(pooled)[:, 0]
        return log_share


def _pooled(features: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C"]:
    return features.detach().mean((2, 3))
