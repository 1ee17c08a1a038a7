"""A mixture of Gaussians over whole poses, all coordinates independent inside a component."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.distributions.base import index_batch
from poserior.distributions.mean_shift import climb, pairs
from poserior.distributions.whole_poses import WholePoses, per_component


class PoseGaussianMixture(WholePoses):
    """``p(pose) = sum_m w_m prod_kd N(y_kd; loc_mkd, scale_mkd^2)``: one component is one whole pose.

    The axes are independent inside a component only; which component it is ties all keypoints together.

    Source: Varamesh & Tuytelaars, "Mixture dense regression for object detection and human pose estimation",
    CVPR 2020, Eqs 3-5, with a scale per keypoint and axis.

    Args:
        logits: ``(*batch, M)``, unnormalised log weights.
        loc: ``(*batch, M, K, D)``.
        scale: ``(*batch, M, K, D)``, not zero.
    """

    def __init__(
        self,
        logits: Float[Tensor, "*B M"],
        loc: Float[Tensor, "*B M K D"],
        scale: Float[Tensor, "*B M K D"],
    ) -> None:
        self.scale = scale
        super().__init__(logits, loc)

    @property
    def scale_tril(self) -> Tensor:
        return torch.diag_embed(self.scale)

    def component_log_prob(self, value: Tensor, observed: Bool[Tensor, "*B K"] | None = None) -> Tensor:
        if observed is not None:
            value = torch.where(observed[..., None], value, 0.0)
        error = (value[..., None, :, :] - self.loc) / self.scale
        factors = -0.5 * error.square() - self.scale.abs().log() - 0.5 * math.log(2 * math.pi)
        keypoints = factors.sum(-1)
        if observed is not None:
            keypoints = torch.where(observed[..., None, :], keypoints, 0.0)
        return keypoints.sum(-1)

    def affine(self, scale: Tensor, shift: Tensor) -> "PoseGaussianMixture":
        scale, shift = per_component(scale), per_component(shift)
        return PoseGaussianMixture(self.logits, scale * self.loc + shift, scale * self.scale)

    def __getitem__(self, index: Any) -> "PoseGaussianMixture":
        loc, scale = index_batch(self.loc, index, 3), index_batch(self.scale, index, 3)
        return PoseGaussianMixture(index_batch(self.logits, index), loc, scale)

    def select(self, keypoints: Any) -> "PoseGaussianMixture":
        return PoseGaussianMixture(self.logits, self.loc[..., keypoints, :], self.scale[..., keypoints, :])

    def only(self, component: int) -> "PoseGaussianMixture":
        one = slice(component, component + 1)
        return PoseGaussianMixture(self.logits[..., one], self.loc[..., one, :, :], self.scale[..., one, :, :])

    @staticmethod
    def fused(poses: Sequence["PoseGaussianMixture"]) -> "PoseGaussianMixture":
        """The equal mixture of several laws of one shape: all their components, still whole poses."""
        logits = torch.cat([pose.logits.log_softmax(-1) for pose in poses], -1)
        return PoseGaussianMixture(
            logits, torch.cat([pose.loc for pose in poses], -3), torch.cat([pose.scale for pose in poses], -3)
        )

    def _search(self) -> Tensor:
        law = PoseGaussianMixture(self.logits.detach(), self.loc.detach(), self.scale.detach())
        heights = law.logits - law.scale.abs().log().sum((-2, -1))
        precisions = law.scale.square().reciprocal()

        def step(pose: Tensor) -> Tensor:
            away = law.loc - pose[..., None, :, :]
            pull = precisions * away
            shares = (heights - 0.5 * (away * pull).sum((-2, -1))).softmax(-1)[..., None, None]
            return pose + (shares * pull).sum(-3) / (shares * precisions).sum(-3)

        left, right = pairs(law.loc.shape[-3])
        pulls = precisions * law.loc
        between = (pulls[..., left, :, :] + pulls[..., right, :, :]) / (
            precisions[..., left, :, :] + precisions[..., right, :, :]
        )
        starts = torch.cat([law.loc, between], -3) if left else law.loc
        return climb(starts.movedim(-3, 0), law.log_prob, step)
