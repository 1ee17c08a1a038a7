"""A weighted mixture of densities: the fusion of a flip test, an ensemble."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import NODES, Distribution, Kernel, level_by_nodes


class Mixture(Distribution):
    """``p(y) = sum_m weight_m p_m(y)``.

    Args:
        components: M densities with the same shapes.
        weights: ``(M,)``, positive, summing to 1; equal if not given.
    """

    def __init__(self, components: Sequence[Distribution], weights: Float[Tensor, "M"] | None = None) -> None:
        first = components[0]
        if any(c.batch_shape != first.batch_shape or c.event_shape != first.event_shape for c in components):
            raise ValueError("expected components of one shape, found " + str([c.batch_shape for c in components]))
        self.components = list(components)
        like = first.mean
        count = len(self.components)
        self.weights = (
            torch.full((count,), 1 / count, dtype=like.dtype, device=like.device) if weights is None else weights
        )
        self._mode: Tensor | None = None
        super().__init__(first.batch_shape, first.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        parts = torch.stack([component.log_prob(value) for component in self.components], -1)
        return (parts + self.weights.log()).logsumexp(-1)

    @property
    def mean(self) -> Tensor:
        return self._average([component.mean for component in self.components])

    @property
    def covariance(self) -> Tensor:
        mean = self.mean
        moved = [component.mean - mean for component in self.components]
        return self._average(
            [c.covariance + m[..., :, None] * m[..., None, :] for c, m in zip(self.components, moved, strict=True)]
        )

    @property
    def mode(self) -> Tensor:
        """The best of the components' modes and the points between them, then improved by ever finer local search."""
        if self._mode is None:
            self._mode = self._search()
        return self._mode

    def _search(self) -> Tensor:
        modes = [component.mode for component in self.components]
        starts = modes + [(a + b) / 2 for i, a in enumerate(modes) for b in modes[:i]] + [self.mean]
        best = self._best(torch.stack(starts))
        distance = torch.stack([(mode - modes[0]).abs() for mode in modes]).amax(0)
        reach = torch.maximum(distance / 2, 0.05 * self.variance.sqrt())
        steps = torch.tensor([-1.0, 0.0, 1.0], dtype=best.dtype, device=best.device)
        offsets = torch.cartesian_prod(*[steps] * best.shape[-1])
        offsets = offsets.reshape(-1, *[1] * len(self.batch_shape), best.shape[-1])
        for _ in range(9):
            best = self._best(best + reach * offsets)
            reach = reach / 2
        return best

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = torch.Size(sample_shape)
        which = torch.multinomial(self.weights, max((shape + self.batch_shape).numel(), 1), replacement=True)
        which = which.reshape(shape + self.batch_shape)
        draws = torch.stack([component.sample(shape) for component in self.components])
        index = which[None, ..., None].expand(1, *draws.shape[1:])
        return draws.gather(0, index)[0]

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        parts = [component.nodes(max(1, count // len(self.components))) for component in self.components]
        points = torch.cat([points for points, _ in parts])
        weights = torch.cat([share * weights for share, (_, weights) in zip(self.weights, parts, strict=True)])
        return points, weights

    def expectation(self, kernel: Kernel) -> Tensor:
        return self._average([component.expectation(kernel) for component in self.components])

    def credible_level(self, value: Tensor) -> Tensor:
        return level_by_nodes(self, value, NODES // 4)  # every node is asked of every component

    def affine(self, scale: Tensor, shift: Tensor) -> "Mixture":
        return Mixture([component.affine(scale, shift) for component in self.components], self.weights)

    def __getitem__(self, index: Any) -> "Mixture":
        return Mixture([component[index] for component in self.components], self.weights)

    def _average(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.stack([weight * part for weight, part in zip(self.weights, parts, strict=True)]).sum(0)

    def _best(self, candidates: Tensor) -> Tensor:
        """Of candidates ``(M, *batch, D)`` the densest at every batch index."""
        index = self.log_prob(candidates).argmax(0, keepdim=True)
        return candidates.gather(0, index[..., None].expand(1, *candidates.shape[1:]))[0]
