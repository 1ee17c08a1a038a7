"""The two problems: x is uniform on [-3, 3], and ``p(y | x)`` is known.

Source: Gustafsson et al., "Energy-Based Models for Deep Probabilistic Regression", ECCV 2020, and "How to Train Your
Energy-Based Model for Regression", BMVC 2020; the constants are those of their public code.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

LOW, HIGH = -3.0, 3.0
"""Both axes are looked at from here to there."""


class Problem(ABC):
    """A conditional density to learn.

    Attributes:
        number: which of the two.
        name: its key in results.
        says: what is difficult about it.
    """

    number: Literal[1, 2]
    name: str
    says: str

    @abstractmethod
    def log_prob(self, x: Float[Tensor, "*B"], y: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """``log p(y | x)`` in nats; -inf where it is impossible."""

    @abstractmethod
    def sample(self, x: Float[Tensor, "*B"], generator: Generator) -> Float[Tensor, "*B"]:
        """One draw of y for every x."""

    def draw(self, count: int, generator: Generator) -> tuple[Float[Tensor, "M"], Float[Tensor, "M"]]:
        """`count` pairs (x, y)."""
        x = LOW + (HIGH - LOW) * torch.rand(count, generator=generator)
        return x, self.sample(x, generator)


class TwoModesAndSkew(Problem):
    """Problem 1: for x < 0 two narrow modes that cross, for x >= 0 a skewed law that does not depend on x.

    ``0.8 N(sin x, 0.075^2) + 0.2 N(-sin x, 0.075^2)``, and ``LogNormal(0, 0.25) - 1``.
    """

    number = 1
    name = "problem1"
    says = "two modes, then one skewed law"

    def log_prob(self, x: Float[Tensor, "*B"], y: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        center, scale = x.sin(), torch.full_like(x, 0.075)
        upper = math.log(0.8) + _gaussian(y, center, scale)
        modes = torch.logaddexp(upper, math.log(0.2) + _gaussian(y, -center, scale))
        possible = y > -1
        logarithm = torch.where(possible, y + 1, torch.ones_like(y)).log()
        skewed = _gaussian(logarithm, torch.zeros_like(x), torch.full_like(x, 0.25)) - logarithm
        return torch.where(x < 0, modes, torch.where(possible, skewed, -math.inf))

    def sample(self, x: Float[Tensor, "*B"], generator: Generator) -> Float[Tensor, "*B"]:
        noise = torch.randn(x.shape, generator=generator)
        sign = torch.where(torch.rand(x.shape, generator=generator) < 0.8, 1.0, -1.0)
        return torch.where(x < 0, sign * x.sin() + 0.075 * noise, (0.25 * noise).exp() - 1)


class GrowingSpread(Problem):
    """Problem 2: one Gaussian mode whose spread grows with x, ``N(sin x, (0.15 / (1 + exp(-x)))^2)``."""

    number = 2
    name = "problem2"
    says = "one Gaussian whose spread grows twentyfold"

    def log_prob(self, x: Float[Tensor, "*B"], y: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        return _gaussian(y, x.sin(), 0.15 * x.sigmoid())

    def sample(self, x: Float[Tensor, "*B"], generator: Generator) -> Float[Tensor, "*B"]:
        return x.sin() + 0.15 * x.sigmoid() * torch.randn(x.shape, generator=generator)


PROBLEMS: tuple[Problem, ...] = (TwoModesAndSkew(), GrowingSpread())


def _gaussian(y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    return -0.5 * ((y - loc) / scale).square() - scale.log() - 0.5 * math.log(2 * math.pi)
