"""Student's t in several dimensions: a Gaussian with heavy tails."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
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
from poserior.distributions.gaussian import StandardGaussian

QUADRATURE = 64  # points of the one-dimensional integrals


class StudentT(Distribution):
    """The multivariate t with axis-aligned ellipses: ``p(y) ~ (1 + q / df)^(-(df + D) / 2)``, ``q = sum_d z_d^2``.

    ``z = (y - loc) / scale``. A Gaussian whose precision was drawn from a Gamma law, one draw for all axes: a keypoint
    that is far off on one axis is likely far off on the others too, which a product of one-dimensional t laws denies.
    ``q / D`` follows F(D, df), so credible levels are exact.

    The covariance, ``scale^2 df / (df - 2)``, is infinite for ``df <= 2``.

    Args:
        loc: ``(*batch, D)``.
        scale: ``(*batch, D)``, not zero; no standard deviation.
        df: ``(*batch,)`` degrees of freedom, positive. As it grows the law becomes the Gaussian.

    >>> law = StudentT(torch.zeros(1, 2), torch.ones(1, 2), torch.tensor([4.0]))
    >>> law.variance.tolist()
    [[2.0, 2.0]]
    """

    def __init__(self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"], df: Float[Tensor, " *B"]) -> None:
        self.loc, self.scale, self.df = loc, scale, df
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def covariance(self) -> Tensor:
        growth = torch.where(self.df > 2, self.df / (self.df - 2), torch.inf)
        return torch.diag_embed(self.scale.square() * growth[..., None])

    @property
    def variance(self) -> Tensor:
        return self.covariance.diagonal(dim1=-2, dim2=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        dim = self.loc.shape[-1]
        half, whole = self.df / 2, (self.df + dim) / 2
        constant = torch.lgamma(whole) - torch.lgamma(half) - dim / 2 * torch.log(math.pi * self.df)
        return constant - self.scale.abs().log().sum(-1) - whole * torch.log1p(self._squared_radius(value) / self.df)

    @torch.no_grad()
    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        half = (self.df / 2).expand(shape[:-1])
        shrink = (torch._standard_gamma(half) / half).sqrt()
        return self.loc + self.scale * torch.randn(shape, dtype=half.dtype, device=half.device) / shrink[..., None]

    def nodes(self, count: int = NODES) -> tuple[Tensor, Tensor]:
        """Gaussian nodes moved along their rays to where the two-dimensional t has as much mass inside.

        In other dimensions the tails are of the same order; the remaining ratio of densities, which is bounded, goes
        into the weights.
        """
        dim, ones = self.loc.shape[-1], [1] * len(self.batch_shape)
        normal = normal_nodes(count, dim)
        square = normal.square().sum(-1)
        outside = torch.special.gammaincc(torch.tensor(dim / 2, dtype=square.dtype), square / 2)
        rays = (normal / square.sqrt()[:, None]).reshape(count, *ones, dim).to(self.loc)
        log_outside = outside.log().reshape(count, *ones).to(self.loc)
        squared_radius = self.df * torch.expm1(-2 / self.df * log_outside)
        points = self.loc + self.scale * rays * squared_radius.sqrt()[..., None]
        weights = (squared_radius / (1 + squared_radius / self.df)) ** (dim / 2 - 1)
        return points, weights / weights.sum(0)

    def expectation(self, kernel: Kernel) -> Tensor:
        """``E[kernel(Y)]``; for a `GaussianKernel` by a one-dimensional integral over the precision (to 1e-6)."""
        if not isinstance(kernel, GaussianKernel):
            return average_over_nodes(self, kernel)
        center, width = (kernel.center - self.loc) / self.scale, kernel.width / self.scale.abs()
        log_precision, weights = self._precisions()
        extra = [1] * (center.dim() - self.loc.dim())
        root = (log_precision / 2).exp().reshape(QUADRATURE, *extra, *self.batch_shape, 1)
        values = StandardGaussian().kernel_mean(center * root, width * root)
        return (weights.reshape(QUADRATURE, *extra, *self.batch_shape) * values).sum(0)

    def credible_level(self, value: Tensor) -> Tensor:
        square = self._squared_radius(value)
        if self.loc.shape[-1] == 2:
            return -torch.expm1(-self.df / 2 * torch.log1p(square / self.df))
        return self._mass_within(square)

    def affine(self, scale: Tensor, shift: Tensor) -> "StudentT":
        return StudentT(scale * self.loc + shift, scale * self.scale, self.df)

    def __getitem__(self, index: Any) -> "StudentT":
        return StudentT(index_batch(self.loc, index), index_batch(self.scale, index), index_batch(self.df, index, 0))

    def _squared_radius(self, value: Tensor) -> Tensor:
        return ((value - self.loc) / self.scale).square().sum(-1)

    def _precisions(self) -> tuple[Tensor, Tensor]:
        """Points ``log u`` and weights, ``(QUADRATURE, *batch)``, of the precision ``u ~ Gamma(df / 2, df / 2)``.

        The trapezoidal rule in ``log u``, where the density ``exp(a (log u - u))``, ``a = df / 2``, dies off on both
        sides; the ends are where it has fallen by about ``exp(-30)``.
        """
        shape = self.df / 2
        low, high = -(60 / shape).sqrt() - 30 / shape, torch.log1p((60 / shape).sqrt() + 30 / shape)
        steps = torch.linspace(0, 1, QUADRATURE, dtype=shape.dtype, device=shape.device)
        log_precision = low + (high - low) * steps.reshape(-1, *[1] * shape.dim())
        return log_precision, (shape * (log_precision - log_precision.exp())).softmax(0)

    def _mass_within(self, square: Tensor) -> Tensor:
        """``P(q <= square) = 2 / B(D/2, df/2) int_0^t sin^(D-1) cos^(df-1)``, ``tan^2 t = square / df``."""
        dim = self.loc.shape[-1]
        log_beta = math.lgamma(dim / 2) + torch.lgamma(self.df / 2) - torch.lgamma((self.df + dim) / 2)
        # Beyond 12 / sqrt(df) nothing is left of a nearly Gaussian law, and the nodes would miss its bulk.
        top = torch.minimum(torch.atan((square / self.df).sqrt()), 12 / self.df.sqrt())
        total = torch.zeros_like(square)
        for node, weight in _legendre():
            angle = node * top
            total = total + weight * angle.sin() ** (dim - 1) * angle.cos() ** (self.df - 1)
        return (2 * top * total * torch.exp(-log_beta)).clamp(0, 1)


@lru_cache(maxsize=1)
def _legendre() -> list[tuple[float, float]]:
    """Nodes and weights of Gauss and Legendre on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    return list(zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))
