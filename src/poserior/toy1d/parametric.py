"""Heads whose density has a few parameters, each of which is a function of x."""

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import softplus

from poserior.toy1d.head import Head1d
from poserior.toy1d.nets import HIDDEN, constant, dense, features_of_x, linear, parts_of_x

FLOOR = 1e-3
"""The smallest scale."""

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Parametric(Head1d):
    """x through two ReLU layers; then for each kind of parameter a ReLU layer and a linear one, all of size 10.

    Args:
        sizes: numbers of each kind.
        constants: where those parameters start that do not depend on x, ``(C,)``.
    """

    def __init__(self, sizes: Sequence[int], constants: Float[Tensor, "C"] | None = None) -> None:
        branches = [part for size in sizes for part in (*linear(HIDDEN, HIDDEN), *linear(HIDDEN, size))]
        own = [] if constants is None else [constant(constants[:, None, None])]
        self.parts = [*parts_of_x(), *branches, *own]
        self.kinds = len(sizes)

    @abstractmethod
    def log_prob(self, kinds: Sequence[Float[Tensor, "N _ _ 1"]], y: Float[Tensor, "_ _ Y"]) -> Float[Tensor, "N P Y"]:
        """``log p(y | x)`` from the density's parameters.

        Args:
            kinds: ``(N, C, P, 1)`` for each branch, and `constants`, which are the same for all x.
            y: points for each of the P x, or the same for all.
        """

    def loss(
        self,
        parameters: Sequence[Tensor],
        x: Float[Tensor, "N B"],
        y: Float[Tensor, "N B"],
        generator: Generator,  # noqa: ARG002  # nothing is drawn
    ) -> Float[Tensor, "N B"]:
        """The negative log-likelihood, and whatever a head adds to it."""
        kinds = self._kinds(parameters, x)
        points = y[..., None]
        return (self.extra(kinds, points) - self.log_prob(kinds, points))[..., 0]

    def extra(
        self,
        kinds: Sequence[Float[Tensor, "N _ _ 1"]],  # noqa: ARG002  # heads that add something look at them
        y: Float[Tensor, "N P 1"],
    ) -> Float[Tensor, "N P 1"]:
        """What the training loss has beside the negative log-likelihood: nothing, unless a head says so."""
        return torch.zeros_like(y)

    def log_density(
        self, parameters: Sequence[Tensor], x: Float[Tensor, "X"], y: Float[Tensor, "Y"]
    ) -> Float[Tensor, "N X Y"]:
        kinds = self._kinds(parameters, x.expand(len(parameters[0]), -1))
        return self.log_prob(kinds, y[None, None])

    def _kinds(self, parameters: Sequence[Tensor], x: Float[Tensor, "N P"]) -> list[Tensor]:
        shared, end = features_of_x(parameters, x), 4 + 4 * self.kinds
        branches = [_branch(parameters[start : start + 4], shared)[..., None] for start in range(4, end, 4)]
        return [*branches, *parameters[end:]]


class Gaussian(Parametric):
    """A Gaussian whose mean and standard deviation depend on x."""

    def __init__(self) -> None:
        super().__init__([1, 1])

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        return gaussian(y, kinds[0][:, 0], positive(kinds[1][:, 0]))


class Laplace(Parametric):
    """A Laplace law whose median and scale depend on x."""

    def __init__(self) -> None:
        super().__init__([1, 1])

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        return laplace(y, kinds[0][:, 0], positive(kinds[1][:, 0]))


class StudentT(Parametric):
    """Student's t, all three of its parameters depending on x; more than one degree of freedom."""

    def __init__(self) -> None:
        super().__init__([1, 1, 1])

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        loc, scale = kinds[0][:, 0], positive(kinds[1][:, 0])
        freedom = 1 + 10 * softplus(kinds[2][:, 0])
        square = ((y - loc) / scale).square()
        constant = ((freedom + 1) / 2).lgamma() - (freedom / 2).lgamma() - 0.5 * (math.pi * freedom).log()
        return constant - scale.log() - (freedom + 1) / 2 * (square / freedom).log1p()


class Mixture(Parametric):
    """A mixture of Gaussians: weights, means and standard deviations depend on x.

    Args:
        components: how many.
    """

    def __init__(self, components: int = 4) -> None:
        super().__init__([components, components, components])

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        logits, loc, scale = kinds[0], kinds[1], positive(kinds[2])
        return (logits.log_softmax(1) + gaussian(y[:, None], loc, scale)).logsumexp(1)


class Fixed(Parametric):
    """Direct regression: the location alone depends on x, and is trained on ``|y - loc|`` or ``(y - loc)^2``.

    One scale for all x is trained beside it, on the likelihood of the errors as they are.

    Args:
        squared: the squared distance, and a Gaussian.
    """

    def __init__(self, squared: bool) -> None:
        super().__init__([1], torch.zeros(1))
        self.squared = squared
        self.law = gaussian if squared else laplace

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        return self.law(y, kinds[0][:, 0].detach(), positive(kinds[1][:, 0]))

    def extra(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        error = y - kinds[0][:, 0]
        return error.square() if self.squared else error.abs()


class Bins(Parametric):
    """A probability for each of many equal bins of [-3, 3], trained on soft labels: a Gaussian about the true bin.

    Args:
        bins: how many.
        softness: the Gaussian's standard deviation in bins.
    """

    def __init__(self, bins: int = 128, softness: float = 0.5) -> None:
        super().__init__([bins])
        self.bins, self.softness = bins, softness

    def log_prob(self, kinds: Sequence[Tensor], y: Tensor) -> Tensor:
        masses = kinds[0][..., 0].log_softmax(1).mT
        place = self._place(y).floor().clamp(0, self.bins - 1).long()
        which = place.expand(*masses.shape[:2], place.shape[-1])
        return masses.gather(-1, which) + math.log(self.bins / 6)

    def loss(
        self,
        parameters: Sequence[Tensor],
        x: Float[Tensor, "N B"],
        y: Float[Tensor, "N B"],
        generator: Generator,  # noqa: ARG002  # nothing is drawn
    ) -> Float[Tensor, "N B"]:
        """Cross entropy with the soft labels."""
        logits = self._kinds(parameters, x)[0][..., 0]
        centers = torch.arange(self.bins)[:, None] + 0.5
        label = (-0.5 * ((self._place(y)[:, None] - centers) / self.softness).square()).softmax(1)
        return -(label * logits.log_softmax(1)).sum(1)

    def _place(self, y: Tensor) -> Tensor:
        """Where y lies, in bins from the lower end."""
        return (y + 3) / 6 * self.bins


def positive(raw: Tensor) -> Tensor:
    """A scale from an unbounded number: its exponential, between the floor and e^3."""
    return raw.clamp(-20.0, 3.0).exp() + FLOOR


def gaussian(y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Log density of a Gaussian."""
    return -0.5 * ((y - loc) / scale).square() - scale.log() - HALF_LOG_TWO_PI


def laplace(y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Log density of a Laplace law."""
    return -(y - loc).abs() / scale - scale.log() - math.log(2)


def _branch(layers: Sequence[Tensor], features: Tensor) -> Tensor:
    weight, bias, last, last_bias = layers
    return dense(last, last_bias, dense(weight, bias, features).relu())
