"""A mixture of Gaussians over whole poses whose keypoints each have correlated axes."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.distributions.base import index_batch
from poserior.distributions.mean_shift import climb, pairs
from poserior.distributions.small_matrices import precision, solve_lower, solve_positive, times
from poserior.distributions.whole_poses import WholePoses, per_component


class PoseFullMixture(WholePoses):
    """``p(pose) = sum_m w_m prod_k N(y_k; loc_mk, L_mk L_mk^T)``: one component is one whole pose.

    The axes of a keypoint are correlated inside a component, keypoints are not; which component it is ties them
    together. `PoseGaussianMixture` is the case of diagonal L.

    Args:
        logits: ``(*batch, M)``, unnormalised log weights.
        loc: ``(*batch, M, K, D)``.
        scale_tril: L, ``(*batch, M, K, D, D)``, lower triangular, no zero on the diagonal.

    >>> factor = torch.tensor([[1.0, 0.0], [3.0, 2.0]]).expand(1, 1, 2, 2)  # one component, one keypoint
    >>> PoseFullMixture(torch.zeros(1), torch.zeros(1, 1, 2), factor).covariance.tolist()
    [[1.0, 3.0], [3.0, 13.0]]
    """

    def __init__(
        self,
        logits: Float[Tensor, "*B M"],
        loc: Float[Tensor, "*B M K D"],
        scale_tril: Float[Tensor, "*B M K D D"],
    ) -> None:
        self._scale_tril = scale_tril
        super().__init__(logits, loc)

    @property
    def scale_tril(self) -> Tensor:
        return self._scale_tril

    def component_log_prob(self, value: Tensor, observed: Bool[Tensor, "*B K"] | None = None) -> Tensor:
        if observed is not None:
            value = torch.where(observed[..., None], value, 0.0)
        error = solve_lower(self.scale_tril, value[..., None, :, :] - self.loc)
        log_det = self.scale_tril.diagonal(dim1=-2, dim2=-1).abs().log()
        keypoints = (-0.5 * error.square() - log_det - 0.5 * math.log(2 * math.pi)).sum(-1)
        if observed is not None:
            keypoints = torch.where(observed[..., None, :], keypoints, 0.0)
        return keypoints.sum(-1)

    def affine(self, scale: Tensor, shift: Tensor) -> "PoseFullMixture":
        """The law of ``scale * pose + shift``; a negative scale on one axis turns the correlations' sign."""
        scale, shift = per_component(scale), per_component(shift)
        return PoseFullMixture(self.logits, scale * self.loc + shift, scale[..., None] * self.scale_tril)

    def __getitem__(self, index: Any) -> "PoseFullMixture":
        loc, factor = index_batch(self.loc, index, 3), index_batch(self.scale_tril, index, 4)
        return PoseFullMixture(index_batch(self.logits, index), loc, factor)

    def select(self, keypoints: Any) -> "PoseFullMixture":
        return PoseFullMixture(self.logits, self.loc[..., keypoints, :], self.scale_tril[..., keypoints, :, :])

    def only(self, component: int) -> "PoseFullMixture":
        one = slice(component, component + 1)
        return PoseFullMixture(self.logits[..., one], self.loc[..., one, :, :], self.scale_tril[..., one, :, :, :])

    @staticmethod
    def fused(poses: Sequence[WholePoses]) -> "PoseFullMixture":
        """The equal mixture of several laws of one shape: all their components, still whole poses."""
        logits = torch.cat([pose.logits.log_softmax(-1) for pose in poses], -1)
        factors = torch.cat([pose.scale_tril for pose in poses], -4)
        return PoseFullMixture(logits, torch.cat([pose.loc for pose in poses], -3), factors)

    def _search(self) -> Tensor:
        law = PoseFullMixture(self.logits.detach(), self.loc.detach(), self.scale_tril.detach())
        heights = law.logits - law.scale_tril.diagonal(dim1=-2, dim2=-1).abs().log().sum((-2, -1))
        precisions = precision(law.scale_tril)

        def step(pose: Tensor) -> Tensor:
            away = law.loc - pose[..., None, :, :]
            pull = times(precisions, away)
            shares = (heights - 0.5 * (away * pull).sum((-2, -1))).softmax(-1)[..., None, None]
            return pose + solve_positive((shares[..., None] * precisions).sum(-4), (shares * pull).sum(-3))

        starts = law.loc
        left, right = pairs(law.loc.shape[-3])
        if left:
            pulls = times(precisions, law.loc)
            between = solve_positive(
                precisions[..., left, :, :, :] + precisions[..., right, :, :, :],
                pulls[..., left, :, :] + pulls[..., right, :, :],
            )
            starts = torch.cat([starts, between], -3)
        return climb(starts.movedim(-3, 0), law.log_prob, step)
