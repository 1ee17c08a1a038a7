"""A mixture of Gaussians over whole poses, and what it says of each keypoint."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.distributions.base import (
    NODES,
    Distribution,
    GaussianKernel,
    Kernel,
    index_batch,
    level_by_nodes,
    uniform_nodes,
)
from poserior.distributions.gaussian_mixture import GaussianMixture, draw_components, take_component
from poserior.distributions.mean_shift import climb, pairs


class PoseGaussianMixture(Distribution):
    """``p(pose) = sum_m w_m prod_kd N(y_kd; loc_mkd, scale_mkd^2)``: one component is one whole pose.

    The axes are independent inside a component only; which component it is ties all keypoints together. The event is
    ``(K, D)``: `mode` and `mean` are ``(*batch, K, D)``, `variance` too, and `covariance` is that of the flattened
    pose, ``(*batch, K D, K D)``.

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
        self.logits, self.loc, self.scale = logits, loc, scale
        self._mode: Tensor | None = None
        super().__init__(loc.shape[:-3], loc.shape[-2:], validate_args=False)

    @property
    def weights(self) -> Tensor:
        """``(*batch, M)``, summing to 1."""
        return self.logits.softmax(-1)

    @property
    def mode(self) -> Tensor:
        """``(*batch, K, D)``: the densest whole pose, found by mean-shift; carries no gradient."""
        if self._mode is None:
            self._mode = self._search()
        return self._mode

    @property
    def dominant(self) -> Tensor:
        """``(*batch, K, D)``: the centre of the component of largest weight, the paper's prediction."""
        return take_component(self.loc, self.logits.argmax(-1), 2)

    @property
    def mean(self) -> Tensor:
        return (self.weights[..., None, None] * self.loc).sum(-3)

    @property
    def covariance(self) -> Tensor:
        """``(*batch, K D, K D)``, of the flattened pose."""
        away = (self.loc - self.mean[..., None, :, :]).flatten(-2)
        between = (self.weights[..., None, None] * away[..., :, None] * away[..., None, :]).sum(-3)
        within = (self.weights[..., None] * self.scale.square().flatten(-2)).sum(-2)
        return between + torch.diag_embed(within)

    @property
    def variance(self) -> Tensor:
        """``(*batch, K, D)``."""
        second = self.scale.square() + (self.loc - self.mean[..., None, :, :]).square()
        return (self.weights[..., None, None] * second).sum(-3)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Whole poses: weights ``(*batch, M)``, points ``(*batch, M, K, D)``, covariances ``(*batch, M, K D, K D)``."""
        return self.weights, self.loc, torch.diag_embed(self.scale.square().flatten(-2))

    def log_prob(self, value: Tensor, observed: Bool[Tensor, "*B K"] | None = None) -> Tensor:
        """``(..., *batch)`` for poses ``(..., *batch, K, D)``: the log density of the observed keypoints.

        The other keypoints are integrated out exactly: inside a component their factors integrate to 1. Their values
        may be anything, also not a number. A pose of which nothing is observed has log probability 0.
        """
        if observed is not None:
            value = torch.where(observed[..., None], value, 0.0)
        return self._joint(value, observed).logsumexp(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))[:-2]
        which = draw_components(self.logits, shape)
        loc = take_component(self.loc.expand(*shape, *self.loc.shape[-3:]), which, 2)
        scale = take_component(self.scale.expand(*shape, *self.scale.shape[-3:]), which, 2)
        return loc + scale * torch.randn_like(loc)

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        """Poses ``(count, *batch, K, D)`` and weights ``(count, *batch)``; see `GaussianMixture.nodes`."""
        components, event = self.loc.shape[-3], self.event_shape
        points, weights = [], []
        for m in range(components):
            share = max(1, count // components + (m < count % components))
            normal = torch.special.ndtri(uniform_nodes(share, event.numel())).to(self.loc)
            normal = normal.reshape(share, *[1] * len(self.batch_shape), *event)
            points.append(self.loc[..., m, :, :] + self.scale[..., m, :, :] * normal)
            weights.append((self.weights[..., m] / share).expand(share, *self.batch_shape))
        return torch.cat(points), torch.cat(weights)

    def expectation(self, kernel: Kernel) -> Tensor:
        """``E[kernel(Y)]``; a `GaussianKernel` is one function per keypoint and gives ``(*batch, K)``, exactly."""
        if isinstance(kernel, GaussianKernel):
            return self.marginals().expectation(kernel)
        points, weights = self.nodes()
        values = kernel(points)
        return (weights.reshape(*weights.shape, *[1] * (values.dim() - weights.dim())) * values).sum(0)

    def credible_level(self, value: Tensor) -> Tensor:
        return level_by_nodes(self, value)

    def affine(self, scale: Tensor, shift: Tensor) -> "PoseGaussianMixture":
        """The law of ``scale * pose + shift``; both broadcast against ``batch_shape + (K, D)``."""
        scale, shift = _per_component(scale), _per_component(shift)
        return PoseGaussianMixture(self.logits, scale * self.loc + shift, scale * self.scale)

    def __getitem__(self, index: Any) -> "PoseGaussianMixture":
        loc, scale = index_batch(self.loc, index, 3), index_batch(self.scale, index, 3)
        return PoseGaussianMixture(index_batch(self.logits, index), loc, scale)

    def select(self, keypoints: Any) -> "PoseGaussianMixture":
        """The law of some of the keypoints, or of all in another order; the rest is integrated out."""
        return PoseGaussianMixture(self.logits, self.loc[..., keypoints, :], self.scale[..., keypoints, :])

    def marginals(self) -> "PoseMarginals":
        """The law of each keypoint alone, ``batch_shape + (K,)``, answered by the points of the whole pose's mode."""
        return PoseMarginals(self)

    @staticmethod
    def fused(poses: Sequence["PoseGaussianMixture"]) -> "PoseGaussianMixture":
        """The equal mixture of several laws of one shape: all their components, still whole poses."""
        logits = torch.cat([pose.logits.log_softmax(-1) for pose in poses], -1)
        return PoseGaussianMixture(
            logits, torch.cat([pose.loc for pose in poses], -3), torch.cat([pose.scale for pose in poses], -3)
        )

    def _joint(self, value: Tensor, observed: Tensor | None = None) -> Tensor:
        """``log w_m + sum_k log N_mk(value_k)`` over observed keypoints, ``(..., *batch, M)``."""
        error = (value[..., None, :, :] - self.loc) / self.scale
        factors = -0.5 * error.square() - self.scale.abs().log() - 0.5 * math.log(2 * math.pi)
        keypoints = factors.sum(-1)
        if observed is not None:
            keypoints = torch.where(observed[..., None, :], keypoints, 0.0)
        return self.logits.log_softmax(-1) + keypoints.sum(-1)

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


class PoseMarginals(GaussianMixture):
    """Each keypoint's own law under a law of whole poses.

    Everything is the keypoint's marginal, exactly, but for `mode`: it is the keypoint's point in the densest whole
    pose. Keypoints answered one by one could mix poses (a left arm of one, a right arm of the other); these cannot.
    The marginal's own highest point may therefore lie elsewhere.

    Args:
        pose: the law of whole poses, ``batch_shape (*batch,)``; None once an index has torn the poses apart.
        marginals: the keypoints' laws; taken from `pose` if not given.
        mode: the answer, or how to find it; taken from `pose` if not given.
    """

    def __init__(
        self,
        pose: PoseGaussianMixture | None,
        marginals: GaussianMixture | None = None,
        mode: Callable[[], Tensor] | None = None,
    ) -> None:
        if pose is not None and marginals is None:
            shape = (*pose.batch_shape, pose.event_shape[0], pose.logits.shape[-1])
            marginals = GaussianMixture(
                pose.logits[..., None, :].expand(shape),
                pose.loc.transpose(-3, -2),
                torch.diag_embed(pose.scale.transpose(-3, -2)),
            )
        if marginals is None or (pose is None and mode is None):
            raise ValueError("expected a law of whole poses, or marginals and their mode, found neither")
        self.pose = pose
        self._find_mode = mode
        super().__init__(marginals.logits, marginals.loc, marginals.scale_tril)

    def affine(self, scale: Tensor, shift: Tensor) -> "PoseMarginals":
        pose = None if self.pose is None else self.pose.affine(scale, shift)
        return PoseMarginals(pose, super().affine(scale, shift), lambda: scale * self.mode + shift)

    def __getitem__(self, index: Any) -> "PoseMarginals":
        """The laws at an index; `pose` stays where the index takes people, or keypoints of all people alike."""
        pose = None if self.pose is None else _sub_pose(self.pose, index)
        return PoseMarginals(pose, super().__getitem__(index), lambda: index_batch(self.mode, index))

    def _search(self) -> Tensor:
        if self._find_mode is not None:
            return self._find_mode()
        assert self.pose is not None  # the constructor sees to it
        return self.pose.mode


def _per_component(factor: Tensor) -> Tensor:
    """``(..., [K,] D)`` with a place for the components before the pose."""
    return factor if factor.dim() < 3 else factor.unsqueeze(-3)


def _sub_pose(pose: PoseGaussianMixture, index: Any) -> PoseGaussianMixture | None:
    people = len(pose.batch_shape)
    entries = index if isinstance(index, tuple) else (index,)
    if len(entries) <= people and all(isinstance(entry, int | slice) for entry in entries):
        return pose[entries]
    every, last = entries[:-1], entries[-1]
    if len(every) == people and all(isinstance(entry, slice) for entry in every) and isinstance(last, slice | list):
        return (pose[every] if every else pose).select(last)
    return None
