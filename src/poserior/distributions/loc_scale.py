"""Location and scale: ``y = loc + scale * e`` with one standard law for every ``e``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import NODES, Distribution, GaussianKernel, Kernel, average_over_nodes, index_batch


class Summary(NamedTuple):
    """The constants of a standard law: mode ``(D,)``, mean ``(D,)``, covariance ``(D, D)``."""

    mode: Tensor
    mean: Tensor
    covariance: Tensor


class StandardLaw(ABC):
    """The law of the standardised error ``e = (y - loc) / scale``.

    Usually one for all keypoints. A law that differs from index to index of the batch gives constants and nodes with
    the batch's shape before D, and its own `at`.
    """

    @abstractmethod
    def log_prob(self, error: Tensor) -> Tensor:
        """Log density at ``(..., D)``."""

    @abstractmethod
    def draw(self, count: int, like: Tensor) -> Tensor:
        """``(count, D)`` independent draws with the type and device of `like`; D is `like`'s last size."""

    @abstractmethod
    def summary(self, like: Tensor) -> Summary:
        """Mode, mean and covariance with the type and device of `like`."""

    @abstractmethod
    def nodes(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Points ``(count, D)`` and weights ``(count,)`` that sum to 1; ``(count, *batch, D)`` if they differ."""

    def nodes_log_prob(self, count: int, like: Tensor) -> Tensor:
        """``(count,)`` log density at the `nodes`."""
        return self.log_prob(self.nodes(count, like)[0])

    @abstractmethod
    def kernel_mean(self, center: Tensor, width: Tensor) -> Tensor:
        """``E[exp(-sum (e - center)^2 / (2 width^2))]`` for ``(..., D)``."""

    @abstractmethod
    def level(self, error: Tensor) -> Tensor:
        """Mass of all points denser than `error` ``(..., D)``."""

    def at(self, index: Any) -> "StandardLaw":  # noqa: ARG002  # one law for all indices
        """The law at an index of the batch."""
        return self


class LocScale(Distribution):
    """``y = loc + scale * e``: ``log p(y) = log law((y - loc) / scale) - sum log |scale|``.

    Args:
        loc: ``(*batch, D)``.
        scale: ``(*batch, D)``, not zero; a negative scale mirrors the law on that axis.
        law: the law of ``e``.
    """

    def __init__(self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"], law: StandardLaw) -> None:
        self.loc, self.scale, self.law = loc, scale, law
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.loc + self.scale * self.law.summary(self.loc).mode

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * self.law.summary(self.loc).mean

    @property
    def covariance(self) -> Tensor:
        return self.scale[..., :, None] * self.law.summary(self.loc).covariance * self.scale[..., None, :]

    def standardise(self, value: Tensor) -> Tensor:
        """``e = (value - loc) / scale``."""
        return (value - self.loc) / self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        return self.law.log_prob(self.standardise(value)) - self.scale.abs().log().sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        errors = self.law.draw(shape[:-1].numel(), self.loc).reshape(shape)
        return self.loc + self.scale * errors

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        errors, weights = self.law.nodes(count, self.loc)
        if weights.dim() == 1:  # one law for the whole batch
            ones = (1,) * len(self.batch_shape)
            errors, weights = errors.reshape(-1, *ones, self.loc.shape[-1]), weights.reshape(-1, *ones)
        points = self.loc + self.scale * errors
        return points, weights.expand(points.shape[:-1])

    def nodes_log_prob(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        log_prob = self.law.nodes_log_prob(count, self.loc).reshape(-1, *(1,) * len(self.batch_shape))
        weights = self.law.nodes(count, self.loc)[1].reshape(log_prob.shape)
        log_prob = log_prob - self.scale.abs().log().sum(-1)
        return log_prob, weights.expand(log_prob.shape)

    def nodes_level(self, count: int = NODES) -> Tensor:
        """The standard law's own: no location or scale changes the level of a node."""
        level = self.law.level(self.law.nodes(count, self.loc)[0])
        if level.dim() == 1:  # one law for the whole batch
            level = level.reshape(-1, *(1,) * len(self.batch_shape))
        return level.expand(len(level), *self.batch_shape)

    def expectation(self, kernel: Kernel) -> Tensor:
        if isinstance(kernel, GaussianKernel):
            return self.law.kernel_mean(self.standardise(kernel.center), kernel.width / self.scale.abs())
        return average_over_nodes(self, kernel)

    def credible_level(self, value: Tensor) -> Tensor:
        return self.law.level(self.standardise(value))

    def affine(self, scale: Tensor, shift: Tensor) -> "LocScale":
        return LocScale(scale * self.loc + shift, scale * self.scale, self.law)

    def __getitem__(self, index: Any) -> "LocScale":
        return LocScale(index_batch(self.loc, index), index_batch(self.scale, index), self.law.at(index))
