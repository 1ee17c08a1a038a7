"""What mixtures over whole poses have in common, and what one says of each keypoint."""

from abc import abstractmethod
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
from poserior.distributions.small_matrices import times


class WholePoses(Distribution):
    """``p(pose) = sum_m w_m p_m(pose)``: one component is one whole pose, a Gaussian about ``loc_m``.

    Inside a component the keypoints are independent; which component it is ties all of them together. The event is
    ``(K, D)``: `mode` and `mean` are ``(*batch, K, D)``, `variance` too, and `covariance` is that of the flattened
    pose, ``(*batch, K D, K D)``.

    Args:
        logits: ``(*batch, M)``, unnormalised log weights.
        loc: ``(*batch, M, K, D)``.
    """

    def __init__(self, logits: Float[Tensor, "*B M"], loc: Float[Tensor, "*B M K D"]) -> None:
        self.logits, self.loc = logits, loc
        self._mode: Tensor | None = None
        super().__init__(loc.shape[:-3], loc.shape[-2:], validate_args=False)

    @property
    @abstractmethod
    def scale_tril(self) -> Float[Tensor, "*B M K D D"]:
        """Each component's Cholesky factor of each keypoint's covariance."""

    @abstractmethod
    def component_log_prob(self, value: Tensor, observed: Bool[Tensor, "*B K"] | None = None) -> Tensor:
        """``log p_m`` of poses ``(..., *batch, K, D)``, ``(..., *batch, M)``: over the observed keypoints."""

    @abstractmethod
    def affine(self, scale: Tensor, shift: Tensor) -> "WholePoses":
        """The law of ``scale * pose + shift``; both broadcast against ``batch_shape + (K, D)``."""

    @abstractmethod
    def __getitem__(self, index: Any) -> "WholePoses":
        """The laws at an index of the batch shape."""

    @abstractmethod
    def select(self, keypoints: Any) -> "WholePoses":
        """The law of some of the keypoints, or of all in another order; the rest is integrated out."""

    @abstractmethod
    def only(self, component: int) -> "WholePoses":
        """The law of one component alone, which then has all the weight."""

    @abstractmethod
    def _search(self) -> Tensor:
        """The densest whole pose."""

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
        weights, _, within = self.parts()
        return (weights[..., None, None] * (within + away[..., :, None] * away[..., None, :])).sum(-3)

    @property
    def variance(self) -> Tensor:
        """``(*batch, K, D)``."""
        within = self.scale_tril.square().sum(-1)
        second = within + (self.loc - self.mean[..., None, :, :]).square()
        return (self.weights[..., None, None] * second).sum(-3)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Whole poses: weights ``(*batch, M)``, points ``(*batch, M, K, D)``, covariances ``(*batch, M, K D, K D)``."""
        count, dim = self.event_shape
        each = self.scale_tril @ self.scale_tril.mT
        # Block diagonal: (K, D, K', D') is the keypoint's own covariance where K = K'.
        blocks = torch.eye(count, dtype=each.dtype, device=each.device)[:, None, :, None] * each[..., None, :]
        return self.weights, self.loc, blocks.reshape(*each.shape[:-3], count * dim, count * dim)

    def log_prob(self, value: Tensor, observed: Bool[Tensor, "*B K"] | None = None) -> Tensor:
        """``(..., *batch)`` for poses ``(..., *batch, K, D)``: the log density of the observed keypoints.

        The other keypoints are integrated out exactly: inside a component their factors integrate to 1. Their values
        may be anything, also not a number. A pose of which nothing is observed has log probability 0.
        """
        return (self.logits.log_softmax(-1) + self.component_log_prob(value, observed)).logsumexp(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))[:-2]
        which, factor = draw_components(self.logits, shape), self.scale_tril
        loc = take_component(self.loc.expand(*shape, *self.loc.shape[-3:]), which, 2)
        factor = take_component(factor.expand(*shape, *factor.shape[-4:]), which, 3)
        return loc + times(factor, torch.randn_like(loc))

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        """Poses ``(count, *batch, K, D)`` and weights ``(count, *batch)``; see `GaussianMixture.nodes`."""
        components, event, factor = self.loc.shape[-3], self.event_shape, self.scale_tril
        points, weights = [], []
        for m in range(components):
            share = max(1, count // components + (m < count % components))
            normal = torch.special.ndtri(uniform_nodes(share, event.numel())).to(self.loc)
            normal = normal.reshape(share, *[1] * len(self.batch_shape), *event)
            points.append(self.loc[..., m, :, :] + times(factor[..., m, :, :, :], normal))
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

    def marginals(self) -> "PoseMarginals":
        """The law of each keypoint alone, ``batch_shape + (K,)``, answered by the points of the whole pose's mode."""
        return PoseMarginals(self)


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
        pose: WholePoses | None,
        marginals: GaussianMixture | None = None,
        mode: Callable[[], Tensor] | None = None,
    ) -> None:
        if pose is not None and marginals is None:
            shape = (*pose.batch_shape, pose.event_shape[0], pose.logits.shape[-1])
            marginals = GaussianMixture(
                pose.logits[..., None, :].expand(shape), pose.loc.transpose(-3, -2), pose.scale_tril.transpose(-4, -3)
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


def per_component(factor: Tensor) -> Tensor:
    """``(..., [K,] D)`` with a place for the components before the pose."""
    return factor if factor.dim() < 3 else factor.unsqueeze(-3)


def _sub_pose(pose: WholePoses, index: Any) -> WholePoses | None:
    people = len(pose.batch_shape)
    entries = index if isinstance(index, tuple) else (index,)
    plain = all(isinstance(entry, int | slice | list | Tensor) for entry in entries)
    if plain and sum(_axes_of(entry) for entry in entries) <= people:
        return pose[entries]
    every, last = entries[:-1], entries[-1]
    if len(every) == people and all(isinstance(entry, slice) for entry in every) and isinstance(last, slice | list):
        return (pose[every] if every else pose).select(last)
    return None


def _axes_of(entry: Any) -> int:
    """How many axes of the batch one entry of an index speaks of: a mask of its own number, all others of one."""
    return entry.dim() if isinstance(entry, Tensor) and entry.dtype == torch.bool else 1
