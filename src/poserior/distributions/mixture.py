"""A weighted mixture of densities: the fusion of a flip test, an ensemble."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import NODES, Distribution, Kernel, mass_above
from poserior.distributions.search import climb


class Mixture(Distribution):
    """``p(y) = sum_m weight_m p_m(y)``. A component that is itself a mixture is taken apart.

    Args:
        components: M densities with the same shapes.
        weights: ``(M,)``, positive, summing to 1; equal if not given.
    """

    def __init__(self, components: Sequence[Distribution], weights: Float[Tensor, "M"] | None = None) -> None:
        first = components[0]
        if any(c.batch_shape != first.batch_shape or c.event_shape != first.event_shape for c in components):
            raise ValueError("expected components of one shape, found " + str([c.batch_shape for c in components]))
        like, count = first.mean, len(components)
        if weights is None:
            weights = torch.full((count,), 1 / count, dtype=like.dtype, device=like.device)
        if len(weights) != count:
            raise ValueError(f"expected a weight for each of {count} components, found {len(weights)}")
        self.components: list[Distribution] = []
        shares: list[Tensor] = []
        for component, share in zip(components, weights, strict=True):
            if isinstance(component, Mixture):
                self.components += component.components
                shares.append(share * component.weights)
            else:
                self.components.append(component)
                shares.append(share[None])
        self.weights: Tensor = torch.cat(shares)
        self._mode: Tensor | None = None
        self._at_nodes: dict[int, tuple[Tensor, Tensor]] = {}
        super().__init__(first.batch_shape, first.event_shape, validate_args=False)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        each = [component.parts() for component in self.components]
        weights = torch.cat([share * own for share, (own, _, _) in zip(self.weights, each, strict=True)], -1)
        return weights, torch.cat([points for _, points, _ in each], -2), torch.cat([part for *_, part in each], -3)

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
        """The best of the components' modes and the mean, improved by a local search; no gradient flows through it."""
        if self._mode is None:
            starts = self.candidates()
            apart = (starts - starts[0]).abs().amax(0)
            self._mode = climb(self.log_prob, starts, torch.maximum(apart / 2, 0.05 * self.variance.sqrt())).detach()
        return self._mode

    def candidates(self) -> Tensor:
        """The components' modes and the mean."""
        return torch.stack([*[component.mode for component in self.components], self.mean])

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
        return mass_above(*self.nodes_log_prob(NODES // 2), self.log_prob(value).detach())

    def nodes_log_prob(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        """At a component's own nodes its density is known; the others are asked at all of those at once."""
        if count in self._at_nodes and not torch.is_grad_enabled():
            return self._at_nodes[count]
        each = max(1, count // len(self.components))
        own = [component.nodes_log_prob(each) for component in self.components]
        points = [component.nodes(each)[0] for component in self.components]
        ends = [0, *accumulate(map(len, points))]
        parts = []
        for m, component in enumerate(self.components):
            others = component.log_prob(torch.cat([*points[:m], *points[m + 1 :], points[m][:0]]))
            parts.append(torch.cat([others[: ends[m]], own[m][0], others[ends[m] :]]))
        weights = torch.cat([share * weights for share, (_, weights) in zip(self.weights, own, strict=True)])
        found = (torch.stack(parts, -1) + self.weights.log()).logsumexp(-1), weights
        self._at_nodes[count] = (found[0].detach(), found[1].detach())
        return found

    def nodes_level(self, count: int = NODES) -> Tensor:
        log_prob, weights = self.nodes_log_prob(count)
        return mass_above(log_prob, weights, log_prob)

    def affine(self, scale: Tensor, shift: Tensor) -> "Mixture":
        moved = Mixture([component.affine(scale, shift) for component in self.components], self.weights)
        # Found once: the mode moves with the law, and no second search can end elsewhere.
        moved._mode = None if self._mode is None else (scale * self._mode + shift).detach()
        return moved

    def __getitem__(self, index: Any) -> "Mixture":
        return Mixture([component[index] for component in self.components], self.weights)

    def _average(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.stack([weight * part for weight, part in zip(self.weights, parts, strict=True)]).sum(0)
