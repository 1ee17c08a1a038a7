"""How to train an energy-based density ``p(y | x) = exp f(x, y) / Z(x)`` without knowing Z: seven objectives.

One interface: ``objective(score, label, generator)`` with ``score`` any function of candidates ``(M, *batch, D)`` to
values of f ``(M, *batch)``, and the labels ``(*batch, D)``; it returns one loss per item ``(*batch)``. The batch has
any shape, so that twenty nets train at once with a batch of ``(20, B)``. ``score`` must treat candidates independently.

Sources: Gustafsson et al., "Energy-Based Models for Deep Probabilistic Regression", ECCV 2020 (importance sampling);
Gustafsson et al., "How to Train Your Energy-Based Model for Regression", BMVC 2020 (the comparison of all of them).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor

Score = Callable[[Tensor], Tensor]
ObjectiveName = Literal["ml-is", "nce", "nce+", "kld-is", "dsm", "sm", "mcmc"]


@dataclass(frozen=True, kw_only=True)
class Objective(ABC):
    """A loss per label, given f.

    Attributes:
        samples: M, candidates per item.
        shared: one set of random offsets for all items, as in the papers' public code: cheaper, and an item's loss
            does not depend on its neighbours. Each item's candidates still lie about its own label.
    """

    samples: int = 1024
    shared: bool = False

    @abstractmethod
    def __call__(
        self, score: Score, label: Float[Tensor, "*B D"], generator: Generator | None = None
    ) -> Float[Tensor, "*B"]:
        """The loss per item."""

    def _noise(self, label: Tensor, count: int, generator: Generator | None) -> Tensor:
        """Standard Gaussian ``(count, *batch, D)``, or with batch sizes 1 if shared."""
        batch = [1] * (label.ndim - 1) if self.shared else list(label.shape[:-1])
        shape = (count, *batch, label.shape[-1])
        return torch.randn(shape, generator=generator, dtype=label.dtype, device=label.device)


@dataclass(frozen=True, kw_only=True)
class Proposed(Objective):
    """An objective that draws its candidates from ``q(y) = (1/L) sum_l N(y; label, scales_l^2 I)``.

    Attributes:
        scales: the L standard deviations, in the label's unit.
    """

    scales: tuple[float, ...]

    def _offsets(self, label: Tensor, generator: Generator | None) -> Tensor:
        """M draws of ``y - label`` from q."""
        noise = self._noise(label, self.samples, generator)
        scales = torch.tensor(self.scales, dtype=label.dtype, device=label.device)
        which = torch.randint(len(scales), noise.shape[:-1], generator=generator, device=label.device)
        return noise * scales[which][..., None]

    def _log_proposal(self, offset: Tensor) -> Tensor:
        """``log q`` at ``label + offset``: from the offset, which a far label would swallow."""
        dim = offset.shape[-1]
        square = offset.square().sum(-1)
        parts = [-0.5 * square / s**2 - dim * math.log(s) for s in self.scales]
        constant = 0.5 * dim * math.log(2 * math.pi) + math.log(len(self.scales))
        return torch.stack(parts).logsumexp(0) - constant


@dataclass(frozen=True, kw_only=True)
class ImportanceSampling(Proposed):
    """ML-IS: ``log((1/M) sum_m exp f(y_m) / q(y_m)) - f(label)``, the negative log-likelihood with an estimated Z."""

    def __call__(
        self, score: Score, label: Float[Tensor, "*B D"], generator: Generator | None = None
    ) -> Float[Tensor, "*B"]:
        offsets = self._offsets(label, generator)
        values = score(_with_label(label, label + offsets))
        log_z = (values[1:] - self._log_proposal(offsets)).logsumexp(0) - math.log(self.samples)
        return log_z - values[0]


@dataclass(frozen=True, kw_only=True)
class NoiseContrastive(Proposed):
    """NCE: tell the label from M draws of q, ``-log softmax_m (f(y_m) - log q(y_m))`` at ``m = 0``, ``y_0 = label``.

    With ``beta`` it is NCE+: ``y_0`` is the label plus noise of ``beta`` times the proposal's scales, which stands for
    the uncertainty of the annotation and smooths f. (The noise's standard deviation is ``beta`` times the
    proposal's, as in the public code, and q is the same for all candidates.)

    Exact only as M grows: q moves with the label, so that with few candidates even the true f has a small slope.

    Attributes:
        beta: 0 for NCE.
    """

    beta: float = 0.0

    def __call__(
        self, score: Score, label: Float[Tensor, "*B D"], generator: Generator | None = None
    ) -> Float[Tensor, "*B"]:
        offsets = self._offsets(label, generator)
        first = torch.zeros_like(offsets[:1])
        if self.beta > 0:
            first = self.beta * self._offsets(label, generator)[:1]
        offsets = torch.cat([first, offsets])
        logits = score(label + offsets) - self._log_proposal(offsets)
        return logits.logsumexp(0) - logits[0]


@dataclass(frozen=True, kw_only=True)
class KullbackLeibler(Proposed):
    """KLD-IS: ``KL(N(label, target_scale^2 I) || p)`` less a constant: ``log Z - E[f]``, both over draws of q.

    Attributes:
        target_scale: standard deviation of the Gaussian that stands for the label.
    """

    target_scale: float

    def __call__(
        self, score: Score, label: Float[Tensor, "*B D"], generator: Generator | None = None
    ) -> Float[Tensor, "*B"]:
        offsets = self._offsets(label, generator)
        values = score(label + offsets)
        log_q = self._log_proposal(offsets)
        log_target = -0.5 * (offsets / self.target_scale).square().sum(-1) - label.shape[-1] * math.log(
            math.sqrt(2 * math.pi) * self.target_scale
        )
        log_z = (values - log_q).logsumexp(0) - math.log(self.samples)
        return log_z - (values * (log_target - log_q).exp()).mean(0)


@dataclass(frozen=True, kw_only=True)
class DenoisingScoreMatching(Objective):
    """DSM: ``(1/M) sum_m |grad f(y_m) + (y_m - label) / scale^2|^2``, ``y_m ~ N(label, scale^2 I)``.

    It learns the gradient of the label's density blurred by ``scale``; f needs a second derivative to be trained.

    Attributes:
        scale: standard deviation of the blur.
    """

    scale: float

    def __call__(
        self, score: Score, label: Float[Tensor, "*B D"], generator: Generator | None = None
    ) -> Float[Tensor, "*B"]:
        offsets = self.scale * self._noise(label, self.samples, generator)
        gradient = _slope(score, label + offsets, create_graph=True)
        return (gradient + offsets / self.scale**2).square().sum(-1).mean(0)


@dataclass(frozen=True, kw_only=True)
class ScoreMatching(Objective):
    """SM: ``trace(Hessian of f) + |grad f|^2 / 2`` at the label, exact (D + 1 derivatives; meant for D up to 3).

    f must be smooth: a net of ReLUs has no Hessian. `samples` is not used.
    """

    def __call__(
        self,
        score: Score,
        label: Float[Tensor, "*B D"],
        generator: Generator | None = None,  # noqa: ARG002  # nothing is drawn
    ) -> Float[Tensor, "*B"]:
        with torch.enable_grad():
            point = label.detach()[None].requires_grad_()
            gradient = torch.autograd.grad(score(point).sum(), point, create_graph=True)[0]
            axes = gradient.unbind(-1)
            seconds = [torch.autograd.grad(axis.sum(), point, create_graph=True)[0] for axis in axes]
            trace = torch.stack([second[..., d] for d, second in enumerate(seconds)]).sum(0)
            return (trace + 0.5 * gradient.square().sum(-1))[0]


@dataclass(frozen=True, kw_only=True)
class LangevinMaximumLikelihood(Objective):
    """ML-MCMC: ``(1/M) sum_m f(y_m) - f(label)`` with ``y_m`` at the end of a short Langevin chain from the label.

    A step is ``y + step_length^2 / 2 grad f(y) + step_length noise``. The loss's gradient is that of the likelihood if
    the chains have reached p; its value is no likelihood.

    Attributes:
        steps: L.
        step_length: alpha, in the label's unit.
    """

    step_length: float
    steps: int = 16

    def __call__(
        self, score: Score, label: Float[Tensor, "*B D"], generator: Generator | None = None
    ) -> Float[Tensor, "*B"]:
        points = label.detach().expand(self.samples, *label.shape)
        for _ in range(self.steps):
            drift = 0.5 * self.step_length**2 * _slope(score, points, create_graph=False)
            points = points + drift + self.step_length * self._noise(label, self.samples, generator)
        values = score(_with_label(label, points))
        return values[1:].mean(0) - values[0]


def toy_objective(name: ObjectiveName, problem: Literal[1, 2], samples: int = 1024, shared: bool = False) -> Objective:
    """The papers' settings for their two one-dimensional problems (labels within about [-3, 3])."""
    objectives: dict[str, Objective] = {
        "ml-is": ImportanceSampling(scales=(0.2, 1.6), samples=samples, shared=shared),
        "nce": NoiseContrastive(scales=(0.1, 0.8), samples=samples, shared=shared),
        "nce+": NoiseContrastive(scales=(0.1, 0.8), beta=0.025, samples=samples, shared=shared),
        "kld-is": KullbackLeibler(scales=(0.2, 1.6), target_scale=0.025, samples=samples, shared=shared),
        "dsm": DenoisingScoreMatching(scale={1: 0.2, 2: 0.075}[problem], samples=samples, shared=shared),
        "sm": ScoreMatching(),
        "mcmc": LangevinMaximumLikelihood(step_length={1: 0.05, 2: 0.0125}[problem], samples=samples, shared=shared),
    }
    return objectives[name]


def pose_objective(name: ObjectiveName, samples: int = 128) -> Objective:
    """Settings for `poserior.heads.Energy`, in units of the predicted scale of a logistic law (its std is 1.8).

    Proposals of 0.5, 1.5 and 5 scales in place of the fixed ones that the papers tune for each task; NCE+ with their
    beta of 0.1 for detection; KLD-IS with a target of 0.1; DSM with a blur of 0.3; ML-MCMC with 16 steps of 0.3.
    Offsets are shared by a batch, as in the papers' code.

    Raises:
        ValueError: no such objective, or no samples.
    """
    scales = (0.5, 1.5, 5.0)
    objectives: dict[str, Objective] = {
        "ml-is": ImportanceSampling(scales=scales, samples=samples, shared=True),
        "nce": NoiseContrastive(scales=scales, samples=samples, shared=True),
        "nce+": NoiseContrastive(scales=scales, beta=0.1, samples=samples, shared=True),
        "kld-is": KullbackLeibler(scales=scales, target_scale=0.1, samples=samples, shared=True),
        "dsm": DenoisingScoreMatching(scale=0.3, samples=samples, shared=True),
        "sm": ScoreMatching(),
        "mcmc": LangevinMaximumLikelihood(step_length=0.3, samples=samples, shared=True),
    }
    if name not in objectives:
        raise ValueError(f"expected objective {', '.join(map(repr, objectives))}, found {name!r}")
    if samples < 1:
        raise ValueError(f"expected at least one sample, found {samples}")
    return objectives[name]


def _with_label(label: Tensor, candidates: Tensor) -> Tensor:
    """The label, then the candidates: one call of the net instead of two."""
    return torch.cat([label[None], candidates])


def _slope(score: Score, points: Tensor, create_graph: bool) -> Tensor:
    """``grad_y f`` at the points, whatever the caller's gradient mode."""
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        return torch.autograd.grad(score(points).sum(), points, create_graph=create_graph)[0]
