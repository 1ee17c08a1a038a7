"""CCNet: a layer on a frozen network's features that learns how accurate its answers are."""

import math
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from poserior.calibration.base import Calibrator
from poserior.distributions import Distribution, GaussianKernel

Inputs = Literal["features", "features+density"]
Loss = Literal["mse", "ce", "aleatoric"]

VISIBILITY_WEIGHT = 0.02  # of the visibility's cross-entropy beside the score's loss
LOG_VARIANCE_FLOOR = math.log(0.01**2)  # no OKS is predicted more closely than to 0.01: the likelihood stays bounded
BASE_RATES = (0.01, 0.99)  # where a score starts: never so far out that its sigmoid no longer learns


class CCNet(Calibrator):
    """Score ``s_k`` and visibility ``v_k`` of every keypoint: sigmoids of one fully connected layer.

    The layer sees the frozen network's features, averaged over the picture and standardised by constants of the data it
    was fitted on (which is still one affine layer). It is fitted after training (`poserior.post_hoc.ccnet`) to the OKS
    that the network's answers reach on held-out people, and changes no coordinate. Its loss, with ``o_k`` the realised
    OKS and the sums over labelled keypoints:

    - ``"mse"``, the paper's: ``sum (s_k - o_k)^2 / sum 1``;
    - ``"ce"``: ``-o_k log s_k - (1 - o_k) log(1 - s_k)``, least at the same place;
    - ``"aleatoric"``: ``(log w_k + (s_k - o_k)^2 / w_k) / 2`` with a variance ``w_k`` predicted beside, by which
      keypoints whose OKS cannot be known pull less;

    each ``+ 0.02 BCE(v_k, labelled)``.

    Source: Gu, Chen and Yao, "On the Calibration of Human Pose Estimation", 2023, section 5 and supplement B.

    Args:
        in_channels: C of the backbone's features.
        num_keypoints: K.
        inputs: ``"features+density"`` also shows it, of every keypoint's density, the log spread (crop-normalised) and
            the expected OKS at the mode.
        hidden: width of a hidden layer with ReLU; 0 for none, as in the paper.
        loss: see above.
        head_channels: channels of `Head.penultimate`'s features, to look at those (heatmaps: after the
            deconvolutions); None to look at the backbone's.

    Raises:
        ValueError: an option is none of those named, or a width is negative.
    """

    input_mean: Tensor
    input_std: Tensor

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        inputs: Inputs = "features",
        hidden: int = 0,
        loss: Loss = "mse",
        head_channels: int | None = None,
    ) -> None:
        super().__init__()
        if inputs not in ("features", "features+density"):
            raise ValueError(f"expected inputs 'features' or 'features+density', found {inputs!r}")
        if loss not in ("mse", "ce", "aleatoric"):
            raise ValueError(f"expected loss 'mse', 'ce' or 'aleatoric', found {loss!r}")
        if hidden < 0 or (head_channels is not None and head_channels < 1):
            raise ValueError(f"expected hidden >= 0 and head_channels >= 1, found {hidden} and {head_channels}")
        self.num_keypoints, self.inputs, self.hidden, self.loss_name = num_keypoints, inputs, hidden, loss
        self.looks_at = "backbone" if head_channels is None else "head"
        width = (in_channels if head_channels is None else head_channels) + (
            2 * num_keypoints if inputs == "features+density" else 0
        )
        self.register_buffer("input_mean", torch.zeros(width))
        self.register_buffer("input_std", torch.ones(width))
        outputs = num_keypoints * (3 if loss == "aleatoric" else 2)
        self.hide = nn.Linear(width, hidden) if hidden else None
        self.answer = nn.Linear(hidden or width, outputs)
        # Without a fit it says nothing: 0.5 everywhere.
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def see(
        self, distribution: Distribution, features: Float[Tensor, "B C H W"], widths: Float[Tensor, "B K D"]
    ) -> Float[Tensor, "B I"]:
        """The layer's inputs: pooled features, then per keypoint log spreads, then expected OKS, if it wants them."""
        dtype = self.answer.weight.dtype
        pooled = features.detach().to(dtype).mean((2, 3))
        if self.inputs == "features":
            return pooled
        spread = distribution.covariance.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-24)
        expected = distribution.expectation(GaussianKernel(distribution.mode, widths))
        return torch.cat([pooled, 0.5 * spread.log().to(dtype), expected.to(dtype)], 1).detach()

    def raw(self, seen: Float[Tensor, "B I"]) -> Float[Tensor, "B K P"]:
        """The layer's outputs before the sigmoids: score, visibility and, for the aleatoric loss, log variance."""
        with torch.autocast(seen.device.type, enabled=False):
            values = (seen.to(self.answer.weight.dtype) - self.input_mean) / self.input_std
            if self.hide is not None:
                values = self.hide(values).relu()
            outputs: Tensor = self.answer(values).unflatten(1, (self.num_keypoints, -1))
            return outputs

    @staticmethod
    def verdict(raw: Float[Tensor, "B K P"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        """Score and visibility in [0, 1] of the layer's outputs."""
        return raw[..., 0].sigmoid(), raw[..., 1].sigmoid()

    def forward(
        self, distribution: Distribution, features: Float[Tensor, "B C H W"], widths: Float[Tensor, "B K D"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]]:
        return self.verdict(self.raw(self.see(distribution, features, widths)))

    def loss(
        self,
        features: Float[Tensor, "B C H W"],
        visibility: Int[Tensor, "B K"] | Bool[Tensor, "B K"],
        share: Float[Tensor, "B"] | None = None,
    ) -> Float[Tensor, ""]:
        """0: it learns from a frozen network's errors, after training; see `objective`."""
        del visibility, share
        return features.new_zeros(())

    def objective(
        self, raw: Float[Tensor, "B K P"], oks: Float[Tensor, "B K"], labelled: Bool[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """What the fit minimises.

        Args:
            raw: the layer's outputs.
            oks: realised OKS of the network's answers; anything where not labelled.
            labelled: which keypoints count.
        """
        aim = torch.where(labelled, oks, 0.5).to(raw.dtype)
        if self.loss_name == "ce":
            each = functional.binary_cross_entropy_with_logits(raw[..., 0], aim, reduction="none")
        else:
            each = (raw[..., 0].sigmoid() - aim).square()
        if self.loss_name == "aleatoric":
            log_variance = LOG_VARIANCE_FLOOR + functional.softplus(raw[..., 2] - LOG_VARIANCE_FLOOR)
            each = 0.5 * (log_variance + each * (-log_variance).exp())
        score = torch.where(labelled, each, 0.0).sum() / labelled.sum().clamp_min(1)
        seen = functional.binary_cross_entropy_with_logits(raw[..., 1], labelled.to(raw.dtype))
        return score + VISIBILITY_WEIGHT * seen

    @torch.no_grad()
    def start(
        self,
        seen: Float[Tensor, "N I"],
        oks: Float[Tensor, "N K"],
        labelled: Bool[Tensor, "N K"],
        generator: torch.Generator,
    ) -> None:
        """Where the fit begins: standardised inputs, and for every keypoint its mean OKS and its share of labels.

        What is learned from there is only what the features add to those constants. A keypoint that is never labelled
        begins (and stays) at the mean of the others.

        Args:
            seen: the fit's inputs.
            oks: see `objective`.
            labelled: see `objective`.
            generator: draws the hidden layer's weights.
        """
        std, mean = torch.std_mean(seen.double(), 0, unbiased=False)
        self.input_mean.copy_(mean)
        # An input that never changes says nothing, and must not shout should it change one day.
        self.input_std.copy_(torch.where(std > 1e-6 * mean.abs() + 1e-12, std, 1.0))
        kept = torch.where(labelled, oks.double(), 0.0)
        overall = kept.sum() / labelled.sum().clamp_min(1)
        counts = labelled.sum(0)
        base = torch.where(counts > 0, kept.sum(0) / counts.clamp_min(1), overall)
        columns = [base.clamp(*BASE_RATES).logit(), labelled.double().mean(0).clamp(*BASE_RATES).logit()]
        if self.loss_name == "aleatoric":
            squares = torch.where(labelled, (oks.double() - base).square(), 0.0).sum(0) / counts.clamp_min(1)
            columns.append(squares.clamp_min(1e-3).log())
        nn.init.zeros_(self.answer.weight)
        self.answer.bias.copy_(torch.stack(columns, -1).flatten())
        if self.hide is not None:
            nn.init.kaiming_uniform_(self.hide.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(cast(Tensor, self.hide.bias))
