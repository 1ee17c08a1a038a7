"""Gaussian with correlated axes."""

import math
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
    normal_nodes,
)
from poserior.distributions.small_matrices import cholesky, outer_square, solve_lower, times


class FullGaussian(Distribution):
    """``N(y; loc, L L^T)`` with ``L = scale_tril``.

    Args:
        loc: ``(*batch, D)``.
        scale_tril: ``(*batch, D, D)``, lower triangular, no zero on the diagonal; a negative entry there mirrors.

    >>> law = FullGaussian(torch.zeros(1, 2), torch.tensor([[[1.0, 0.0], [3.0, 2.0]]]))
    >>> law.covariance[0].tolist()
    [[1.0, 3.0], [3.0, 13.0]]
    """

    def __init__(self, loc: Float[Tensor, "*B D"], scale_tril: Float[Tensor, "*B D D"]) -> None:
        self.loc, self.scale_tril = loc, scale_tril
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def covariance(self) -> Tensor:
        return outer_square(self.scale_tril)

    def log_prob(self, value: Tensor) -> Tensor:
        log_det = self.scale_tril.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
        return -0.5 * self._squared_radius(value) - log_det - 0.5 * self.loc.shape[-1] * math.log(2 * math.pi)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.loc + times(self.scale_tril, torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        errors = normal_nodes(count, self.loc.shape[-1]).to(self.loc)
        errors = errors.reshape(count, *[1] * len(self.batch_shape), -1)
        points = self.loc + times(self.scale_tril, errors)
        return points, torch.full_like(points[..., 0], 1 / count)

    def expectation(self, kernel: Kernel) -> Tensor:
        """``E[kernel(Y)]``, for a `GaussianKernel` in closed form.

        ``prod(width) det(S)^-1/2 exp(-e^T S^-1 e / 2)`` with ``e = loc - center``, ``S = covariance + diag(width^2)``.
        """
        if not isinstance(kernel, GaussianKernel):
            return average_over_nodes(self, kernel)
        factor = cholesky(self.covariance + torch.diag_embed(kernel.width.square()))
        volume = (kernel.width / factor.diagonal(dim1=-2, dim2=-1)).prod(-1)
        return volume * torch.exp(-0.5 * solve_lower(factor, self.loc - kernel.center).square().sum(-1))

    def credible_level(self, value: Tensor) -> Tensor:
        # The squared radius follows chi-square with D degrees of freedom.
        half_dim = torch.tensor(self.loc.shape[-1] / 2, dtype=self.loc.dtype, device=self.loc.device)
        level: Tensor = torch.special.gammainc(half_dim, self._squared_radius(value) / 2)
        return level

    def affine(self, scale: Tensor, shift: Tensor) -> "FullGaussian":
        return FullGaussian(scale * self.loc + shift, scale[..., None] * self.scale_tril)

    def __getitem__(self, index: Any) -> "FullGaussian":
        return FullGaussian(index_batch(self.loc, index), index_batch(self.scale_tril, index, 2))

    def _squared_radius(self, value: Tensor) -> Tensor:
        return solve_lower(self.scale_tril, value - self.loc).square().sum(-1)
