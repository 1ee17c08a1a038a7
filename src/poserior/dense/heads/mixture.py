"""The mixture density head: in every cell, M whole poses or box sizes, each with its weight and spread."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poserior.dense.heads.base import DenseHead
from poserior.dense.heads.branch import branch, full_precision, only_labelled, with_gain
from poserior.dense.heads.scales import CellScale
from poserior.distributions import Distribution, PoseFullMixture, PoseGaussianMixture, PoseMarginals, WholePoses
from poserior.distributions.base import uniform_nodes
from poserior.heads.shapes import scale_tril

MOST = 10
LEAST_WEIGHT = 1e-4  # the public code's clamp of the weights
APART = 1.0  # of poses at the start, see `DenseMixture`
SIZES = (4.0, 64.0)  # cells, between which boxes start

Covariance = Literal["shared", "diagonal", "full"]
Objective = Literal["exact", "published"]


class DenseMixture(DenseHead):
    """``-log p = -log sum_m w_m prod_kd N(y_kd; loc_mkd, scale_mkd^2)`` over the labelled points k of an object.

    A component is a whole pose or a whole box. Where a point is not labelled it is integrated out, exactly. The
    spread of a component, with the factors f:

    - ``covariance="shared"``, the paper's: ``scale_mkd = f_k s_md``, two numbers for each component;
    - ``"diagonal"``: ``scale_mkd = f_k s_mkd``, each point's own;
    - ``"full"``: that, and a correlation of x and y for each point, of a box's width and height. The density then is a
      mixture of Gaussians with 2 x 2 covariances.

    ``s`` is the modified ELU of `CellScale`. The paper's minimum of one is an offset of 2, the default; the public
    code's offsets are 10 for poses, 2 for boxes on DLA-34 and 1 for boxes on the hourglass: minima of 9, 1 and 1e-4.

    ``objective="published"`` is the public code's loss: it leaves ``2 sum_k log f_k`` of the labelled points out, a
    constant, and clamps weights to [1e-4, 1 - 1e-4], where they get no gradient. docs/dense-heads.md says more.

    Components that start alike are told apart by the first weights' chance alone, and one may win everything before
    the others differ. So boxes start at sizes evenly spaced in logarithm from 4 to 64 cells (16 to 256 pixels at stride
    4: what the paper's components learn to be), and poses as slightly different random-looking ones: about 0.6 standard
    deviations apart as wholes, however many keypoints they have. All of them so explain the first labels about as well
    and learn from all; as their scales shrink they part. `initial_scale` matters more: where scales start far below the
    first errors, the nearest component explains everything. ``initial_scale=None`` is the public code's start, every
    raw value at 0. docs/dense-heads.md has a measurement.

    The weights learn slowly: which component it was costs an object a few nats at most, where its points are costs 2K
    coordinates' worth. `weight_gain` multiplies the gradient of the weights' logits, ``w_m`` less the share that the
    component has in the label, and nothing else: it vanishes where it did before. docs/dense-heads.md measures it.

    Source: Varamesh & Tuytelaars, "Mixture dense regression for object detection and human pose estimation", CVPR
    2020, Eqs 3-5 and section 4.2.

    Args:
        in_channels: of the features.
        factors: see `DenseHead`.
        components: M, 1 to 10.
        covariance: see above.
        objective: see above; the density is the same.
        scale_offset: see `CellScale`, before the factors.
        channels: of the layer between, see `branch`.
        initial_scale: where the standard deviations start, in cells, at a point of average factor, but not below the
            raw value 0; or None.
        weight_gain: see above; 1 for the likelihood's own gradient.
    """

    def __init__(
        self,
        in_channels: int,
        factors: Sequence[float],
        components: int = 3,
        covariance: Covariance = "shared",
        objective: Objective = "exact",
        scale_offset: float | None = 2.0,
        channels: int = 64,
        initial_scale: float | None = 4.0,
        weight_gain: float = 1.0,
    ) -> None:
        super().__init__(in_channels, factors)
        if not 1 <= components <= MOST:
            raise ValueError(f"expected 1 to {MOST} components, found {components}")
        if covariance not in ("shared", "diagonal", "full"):
            raise ValueError(f"expected covariance 'shared', 'diagonal' or 'full', found {covariance!r}")
        if objective not in ("exact", "published"):
            raise ValueError(f"expected objective 'exact' or 'published', found {objective!r}")
        if not 0 < weight_gain < math.inf:
            raise ValueError(f"expected a positive, finite weight_gain, found {weight_gain}")
        self.weight_gain = weight_gain
        self.covariance, self.objective, self.scale = covariance, objective, CellScale(scale_offset)
        self._components = components
        own = 1 if covariance == "shared" else self.num_points
        correlated = components * self.num_points if covariance == "full" else 0
        self.sizes = [components, 2 * components * self.num_points, 2 * components * own, correlated]
        self.predict = branch(in_channels, self._start(initial_scale), channels)

    @property
    def components(self) -> int:
        return self._components

    def forward(self, features: Float[Tensor, "B C h w"]) -> Float[Tensor, "B P h w"]:
        raw: Tensor = self.predict(features)
        return raw

    def density(self, raw: Float[Tensor, "*L P"]) -> PoseMarginals:
        logits, loc, spread, turn = full_precision(raw).split_with_sizes(self.sizes, -1)
        loc = loc.reshape(*loc.shape[:-1], self.components, self.num_points, 2)
        spread = spread.reshape(*spread.shape[:-1], self.components, -1, 2)
        scale = self.scale(spread) * self.factors.to(loc)[:, None]
        logits = with_gain(logits, self.weight_gain)
        if self.covariance != "full":
            return PoseGaussianMixture(logits, loc, scale).marginals()
        return PoseFullMixture(logits, loc, scale_tril(scale, turn.reshape(*scale.shape[:-1], 1))).marginals()

    def loss(
        self, distribution: Distribution, target: Float[Tensor, "*L K 2"], labelled: Bool[Tensor, "*L K"]
    ) -> Float[Tensor, "*L"]:
        """``-log p`` of the labelled points together; nothing where none is labelled."""
        pose, points = whole_poses(distribution), only_labelled(target, labelled)
        if self.objective == "exact":
            return -pose.log_prob(points, labelled)
        weights = pose.logits.softmax(-1).clamp(LEAST_WEIGHT, 1 - LEAST_WEIGHT)
        left_out = torch.where(labelled, 2 * self.factors.to(weights).log(), 0.0).sum(-1)
        nll = -(weights.log() + pose.component_log_prob(points, labelled)).logsumexp(-1) - left_out
        return torch.where(labelled.any(-1), nll, 0.0)

    def weights(self, distribution: Distribution) -> Float[Tensor, "*L M"]:
        return whole_poses(distribution).weights

    def modes(self, distribution: Distribution) -> Float[Tensor, "*L M K 2"]:
        return whole_poses(distribution).loc

    def _start(self, scale: float | None) -> Tensor:
        """The raw values' biases."""
        count, points = self.components, self.num_points
        if scale is None:
            return torch.zeros(sum(self.sizes))
        average = float(self.factors.mean())
        if points == 1:
            lowest, ratio = SIZES[0], SIZES[1] / SIZES[0]
            loc = torch.tensor([[lowest * ratio ** ((m + 0.5) / count)] * 2 for m in range(count)])
        else:
            away = (uniform_nodes(count, 2 * points) - 0.5).reshape(count, points, 2) / points**0.5
            loc = APART * scale * (self.factors / average)[:, None] * away
        spread = torch.full((self.sizes[2],), self.scale.raw(max(scale / average, self.scale.offset or 0.0)))
        return torch.cat([torch.zeros(count), loc.flatten(), spread, torch.zeros(self.sizes[3])])


def whole_poses(distribution: Distribution) -> WholePoses:
    """The law of whole poses behind its marginals; an error where an index has torn the poses apart."""
    if not isinstance(distribution, PoseMarginals) or distribution.pose is None:
        raise ValueError(f"expected the marginals of a law of whole poses, found {type(distribution).__name__}")
    return distribution.pose
