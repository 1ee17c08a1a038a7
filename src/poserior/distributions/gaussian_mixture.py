"""A mixture of Gaussians, all components in one tensor."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.distributions.base import (
    NODES,
    Distribution,
    GaussianKernel,
    Kernel,
    average_over_nodes,
    index_batch,
    level_by_nodes,
)
from poserior.distributions.full_gaussian import FullGaussian
from poserior.distributions.mean_shift import climb, pairs
from poserior.distributions.small_matrices import precision, solve_positive, times


class GaussianMixture(Distribution):
    """``p(y) = sum_m w_m N(y; loc_m, L_m L_m^T)``, ``w = softmax(logits)``, ``L = scale_tril``.

    `mode` is the highest point of the density, found by mean-shift; it carries no gradient. `dominant` is the centre
    of the heaviest component, which is what mixture density networks are usually read out by; where components
    overlap or differ in width it is not the densest point.

    Source: Bishop, "Mixture density networks", 1994.

    Args:
        logits: ``(*batch, M)``, unnormalised log weights.
        loc: ``(*batch, M, D)``.
        scale_tril: ``(*batch, M, D, D)``, lower triangular; ``torch.diag_embed(scale)`` for independent axes.

    >>> law = GaussianMixture(torch.zeros(2), torch.tensor([[-1.0], [1.0]]), torch.ones(2, 1, 1))
    >>> law.mean.tolist(), law.variance.tolist()
    ([0.0], [2.0])
    """

    def __init__(
        self,
        logits: Float[Tensor, "*B M"],
        loc: Float[Tensor, "*B M D"],
        scale_tril: Float[Tensor, "*B M D D"],
    ) -> None:
        self.logits, self.components = logits, FullGaussian(loc, scale_tril)
        self._mode: Tensor | None = None
        super().__init__(loc.shape[:-2], loc.shape[-1:], validate_args=False)

    @property
    def loc(self) -> Tensor:
        """``(*batch, M, D)``, the components' centres."""
        return self.components.loc

    @property
    def scale_tril(self) -> Tensor:
        """``(*batch, M, D, D)``."""
        return self.components.scale_tril

    @property
    def weights(self) -> Tensor:
        """``(*batch, M)``, summing to 1."""
        return self.logits.softmax(-1)

    @property
    def mode(self) -> Tensor:
        if self._mode is None:
            self._mode = self._search()
        return self._mode

    @property
    def dominant(self) -> Tensor:
        """``(*batch, D)``: the centre of the component of largest weight."""
        return take_component(self.loc, self.logits.argmax(-1), 1)

    @property
    def mean(self) -> Tensor:
        return times(self.loc.mT, self.weights)

    @property
    def covariance(self) -> Tensor:
        away = self.loc - self.mean[..., None, :]
        second = self.components.covariance + away[..., :, None] * away[..., None, :]
        return (self.weights[..., None, None] * second).sum(-3)

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.weights, self.loc, self.components.covariance

    def log_prob(self, value: Tensor) -> Tensor:
        return self._joint(value).logsumexp(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))[:-1]
        which = draw_components(self.logits, shape)
        loc = take_component(self.loc.expand(*shape, *self.loc.shape[-2:]), which, 1)
        factor = take_component(self.scale_tril.expand(*shape, *self.scale_tril.shape[-3:]), which, 2)
        return loc + times(factor, torch.randn_like(loc))

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        """Each component's own nodes, equally many (to within one; one at least), with the component's weight."""
        points, weights = [], []
        for m in range(self.loc.shape[-2]):
            share = max(1, count // self.loc.shape[-2] + (m < count % self.loc.shape[-2]))
            own, own_weights = self.components[..., m].nodes(share)
            points.append(own)
            weights.append(own_weights * self.weights[..., m])
        return torch.cat(points), torch.cat(weights)

    def expectation(self, kernel: Kernel) -> Tensor:
        if not isinstance(kernel, GaussianKernel):
            return average_over_nodes(self, kernel)
        each = GaussianKernel(kernel.center[..., None, :], kernel.width[..., None, :])
        return (self.weights * self.components.expectation(each)).sum(-1)

    def credible_level(self, value: Tensor) -> Tensor:
        return level_by_nodes(self, value)

    def affine(self, scale: Tensor, shift: Tensor) -> "GaussianMixture":
        moved = self.components.affine(scale[..., None, :], shift[..., None, :])
        return GaussianMixture(self.logits, moved.loc, moved.scale_tril)

    def __getitem__(self, index: Any) -> "GaussianMixture":
        loc, factor = index_batch(self.loc, index, 2), index_batch(self.scale_tril, index, 3)
        return GaussianMixture(index_batch(self.logits, index), loc, factor)

    def _joint(self, value: Tensor) -> Tensor:
        """``log w_m + log N_m(value)``, ``(..., *batch, M)``."""
        return self.logits.log_softmax(-1) + self.components.log_prob(value[..., None, :])

    def _search(self) -> Tensor:
        law = GaussianMixture(self.logits.detach(), self.loc.detach(), self.scale_tril.detach())
        log_det = law.scale_tril.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
        heights, precisions = law.logits - log_det, precision(law.scale_tril)

        def step(point: Tensor) -> Tensor:
            # Where the gradient vanishes, sum_m r_m P_m (loc_m - y) = 0, r the components' shares of y, P precisions.
            away = law.loc - point[..., None, :]
            pull = times(precisions, away)
            shares = (heights - 0.5 * (away * pull).sum(-1)).softmax(-1)[..., None]
            return point + solve_positive((shares[..., None] * precisions).sum(-3), (shares * pull).sum(-2))

        starts = law.loc
        left, right = pairs(law.loc.shape[-2])
        if left:
            pulls = times(precisions, law.loc)
            between = solve_positive(
                precisions[..., left, :, :] + precisions[..., right, :, :], pulls[..., left, :] + pulls[..., right, :]
            )
            starts = torch.cat([starts, between], -2)
        return climb(starts.movedim(-2, 0), law.log_prob, step)


def take_component(parts: Tensor, which: Tensor, event_dims: int) -> Tensor:
    """Of ``(*shape, M, *event)`` the component ``which`` ``(*shape,)``, ``(*shape, *event)``."""
    event = parts.shape[parts.dim() - event_dims :]
    index = which.reshape(*which.shape, 1, *[1] * event_dims).expand(*which.shape, 1, *event)
    return parts.gather(which.dim(), index).squeeze(which.dim())


def draw_components(logits: Tensor, shape: torch.Size) -> Tensor:
    """Component numbers of shape ``shape``, whose last sizes are `logits`' batch shape, drawn by weight."""
    # The largest of log weight plus Gumbel noise falls on a component with the probability of its weight.
    noise = torch.empty(*shape, logits.shape[-1], dtype=logits.dtype, device=logits.device).exponential_()
    return (logits.log_softmax(-1) - noise.log()).argmax(-1)
