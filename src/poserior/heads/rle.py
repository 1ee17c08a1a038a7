"""Residual log-likelihood estimation: a flow learns the error density, a simple law guides the gradient."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions import (
    Distribution,
    Flow,
    FlowLaw,
    FlowLaws,
    JointFlow,
    JointLaw,
    LocScale,
    RealNVP,
    StandardGaussian,
    StandardLaplace,
    StandardLaw,
)
from poserior.heads.base import Head
from poserior.heads.pooled import LocationAndScale

Variant = Literal["paper", "official", "mmpose"]


class RLE(Head):
    """Trained on ``-log Q(e) - log G(e) [- log s] + sum_d log scale``, ``e = (y - loc) / scale``.

    Q is a standard Laplace or Gaussian law, G a RealNVP shared by all keypoints. Without the normaliser
    ``s = 1 / int Q G`` (the default, as in the paper's experiments) nothing ties Q to G: Q only pulls the location and
    G learns the whole density of ``e``. The head therefore returns ``G`` moved and scaled, which is exact and
    normalised; with ``log_s`` it returns ``s Q G``, which then is what the loss fits. The density's ``loc`` is
    the paper's prediction; its `mode` adds the flow's own off-centre peak.

    Variants (docs/rle.md says what each changes): ``"paper"`` is the formula above; ``"official"`` and ``"mmpose"`` are
    the losses of the two public implementations, which count ``log scale`` twice and ``log G`` once per axis and
    mirror the error.

    Source: Li et al., "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021, Eqs 6-8.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        base: Q.
        variant: whose loss.
        log_s: keep the normaliser in the loss, by a Riemann sum over the flow's own noise: ``int Q G`` is the mean of Q
            over cells of equal mass under G, each seen at one point, in training a random one.
        log_s_points: cells per axis of that sum.
        couplings: coupling layers of the flow.
        layers: fully connected layers of each coupling network (the paper's ``L_fc``).
        neurons: their width (the paper's ``N_n``).
        initial_scale: where the scales start, as a fraction of the crop's side (0.5 is a sigmoid's own start).
        scale_floor: the smallest scale that can be predicted.
        error_clamp: standardised errors beyond this are clamped before they enter the flow; Q still sees them whole.
        flows: "shared" is one flow for all keypoints, as in the paper; "joint" is one for each, which then learns the
            shape of that keypoint's errors. K flows run one after the other: docs/rle.md says what that costs.
    """

    _corners: Tensor
    _joints: Tensor

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        base: Literal["laplace", "gaussian"] = "laplace",
        variant: Variant = "paper",
        log_s: bool = False,
        log_s_points: int = 32,
        couplings: int = 6,
        layers: int = 3,
        neurons: int = 64,
        initial_scale: float = 0.5,
        scale_floor: float = 1e-4,
        error_clamp: float = 100.0,
        flows: Literal["shared", "joint"] = "shared",
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        if base not in ("laplace", "gaussian"):
            raise ValueError(f"expected base 'laplace' or 'gaussian', found {base!r}")
        if variant not in ("paper", "official", "mmpose"):
            raise ValueError(f"expected variant 'paper', 'official' or 'mmpose', found {variant!r}")
        if log_s and variant != "paper":
            raise ValueError(f"expected log_s with variant 'paper' only, found {variant!r}: public code leaves it out")
        if flows not in ("shared", "joint"):
            raise ValueError(f"expected flows 'shared' or 'joint', found {flows!r}")
        self.variant, self.log_s, self.error_clamp = variant, log_s, error_clamp
        self.base: StandardLaw = StandardLaplace() if base == "laplace" else StandardGaussian()
        unit = variant == "official"
        self.regress: nn.Module = LocationAndScale(in_channels, num_keypoints, dim, initial_scale, scale_floor, unit)
        count = 1 if flows == "shared" else num_keypoints
        tilt = self.base if log_s else None
        laws = [FlowLaw(RealNVP(dim, couplings, layers, neurons), tilt) for _ in range(count)]
        self.law: FlowLaw | FlowLaws = laws[0] if flows == "shared" else FlowLaws(laws)
        self.register_buffer("_joints", torch.arange(num_keypoints), persistent=False)
        if log_s:
            axis = torch.arange(log_s_points) / log_s_points
            self.register_buffer("_corners", torch.cartesian_prod(*[axis] * dim), persistent=False)

    def forward(self, features: Float[Tensor, "B C H W"]) -> LocScale:
        loc, scale = self.regress(features)
        # Public code learns the law of (loc - y) / scale: the same density with the axes mirrored.
        signed = scale if self.variant == "paper" else -scale
        if isinstance(self.law, FlowLaw):
            return Flow(loc, signed, self.law)
        return JointFlow(loc, signed, self.law, self._joints.expand(loc.shape[:-1]))

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """The variant's loss per keypoint; not a negative log-likelihood unless ``log_s`` is set."""
        assert isinstance(distribution, LocScale)
        loss = residual_loss(distribution, target, self.base, self.variant, self.error_clamp)
        if not self.log_s:
            return loss
        law = distribution.law
        assert isinstance(law, FlowLaw | JointLaw)
        return loss - law.per_flow(self._log_s)

    def _log_s(self, law: FlowLaw) -> Tensor:
        """``-log int Q G`` of one flow, with its gradient.

        A grid over e itself would not do: a flow whose mass falls between two of its points looks empty to it, and
        training finds that at once. Here the points are where the flow's mass is. They are taken as given; the
        gradient ``d log int Q G = E_QG[d log G]`` comes from their weights.
        """
        side = len(self._corners) ** (-1 / self.dim)
        within = torch.rand_like(self._corners) if self.training else 0.5
        errors = law.flow.to_data(torch.special.ndtri((self._corners + side * within).clamp(1e-6, 1 - 1e-6)))
        log_flow = law.flow_log_prob(errors)
        return math.log(len(errors)) - (self.base.log_prob(errors) + log_flow - log_flow.detach()).logsumexp(0)


def residual_loss(
    distribution: LocScale,
    target: Float[Tensor, "*B D"],
    base: StandardLaw,
    variant: Variant = "paper",
    error_clamp: float = 100.0,
) -> Float[Tensor, "*B"]:
    """RLE's loss per keypoint without its normaliser; see `RLE` for the variants.

    Args:
        distribution: of a flow.
        target: the labels.
        base: Q.
        variant: whose loss.
        error_clamp: see `RLE`.
    """
    law, dim = distribution.law, target.shape[-1]
    assert isinstance(law, FlowLaw | JointLaw)
    error = distribution.standardise(target)
    log_flow = law.flow_log_prob(nn.functional.hardtanh(error, -error_clamp, error_clamp))
    log_scale = distribution.scale.abs().log().sum(-1)
    if variant == "paper":
        return log_scale - base.log_prob(error) - log_flow
    # Both public codes add (B, K, D) and (B, K, 1) terms and sum over D: log G counts D times, and every axis
    # carries its log scale once beside the flow's term and once inside Q.
    loss = 2 * log_scale - dim * log_flow
    return loss + (_official_base(error, base) if variant == "official" else -base.log_prob(error))


def _official_base(error: Tensor, base: StandardLaw) -> Tensor:
    """The official code's Q: a Gaussian's normaliser; for Laplace with exponent ``|e| / sqrt(2)``."""
    normaliser = 0.5 * error.shape[-1] * math.log(2 * math.pi)
    if isinstance(base, StandardLaplace):
        return normaliser + error.abs().sum(-1) / math.sqrt(2)
    return normaliser + 0.5 * error.square().sum(-1)
