"""The whole-pose mixture head: each component is one whole pose."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from poserior.distributions import Distribution, Mixture, PoseGaussianMixture, PoseMarginals
from poserior.distributions.base import uniform_nodes
from poserior.heads.base import Head
from poserior.heads.mixture import SPREAD
from poserior.heads.pooled import PooledLinear
from poserior.heads.shapes import Activation, ScaleActivation


class PoseMixture(Head):
    """``-log p = -log sum_m w_m prod_kd N(y_kd; loc_mkd, scale_mkd^2)`` over the labelled keypoints k.

    What is uncertain of a pose as a whole (is that the left or the right leg? does the person face us?) needs whole
    poses as its alternatives. The answer is `PoseMarginals`: one law per keypoint, as of every head, whose `mode` is
    the keypoint's point in the densest whole pose, and whose `pose` is the law of whole poses.

    Source: Varamesh & Tuytelaars, "Mixture dense regression for object detection and human pose estimation", CVPR
    2020; here with a scale per keypoint and axis, where the paper has one pair per component times COCO's constants.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        components: M. They start as different random-looking poses, as far apart as the components of `Mixture`
            when a whole pose counts as one point.
        activation: of the scales: ``"sigmoid"`` or the mixture paper's modified ``"elu"``.
        initial_scale: where the standard deviations start, as a fraction of the crop's side.
        scale_floor: the smallest; by default 1e-4 for the sigmoid and 1/64 for the ELU.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        components: int = 5,
        activation: Activation = "sigmoid",
        initial_scale: float = 0.2,
        scale_floor: float | None = None,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        if components < 1:
            raise ValueError(f"expected at least one component, found {components}")
        self.components, self.activation = components, ScaleActivation(activation, scale_floor)
        self.weigh = PooledLinear(in_channels, 1, components)
        self.locate = PooledLinear(in_channels, num_keypoints, components * dim)
        self.measure = PooledLinear(in_channels, num_keypoints, components * dim)
        nn.init.constant_(self.measure.linear.bias, self.activation.raw(initial_scale))
        poses = SPREAD * (uniform_nodes(components, num_keypoints * dim) - 0.5) / num_keypoints**0.5
        with torch.no_grad():
            self.locate.linear.bias.copy_(poses.unflatten(1, (num_keypoints, dim)).transpose(0, 1).flatten())

    def forward(self, features: Float[Tensor, "B C H W"]) -> PoseMarginals:
        apart = (self.components, -1)
        loc = self.locate(features).unflatten(-1, apart).transpose(1, 2)
        scale = self.activation(self.measure(features).unflatten(-1, apart)).transpose(1, 2)
        return PoseGaussianMixture(self.weigh(features)[:, 0], loc, scale).marginals()

    def loss(self, distribution: Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """An equal share, 1 / K, of the whole pose's ``-log p`` for each keypoint."""
        everywhere = torch.ones(target.shape[:-1], dtype=torch.bool, device=target.device)
        return self.labelled_loss(distribution, target, everywhere)

    def labelled_loss(
        self, distribution: Distribution, target: Float[Tensor, "B K D"], labelled: Bool[Tensor, "B K"]
    ) -> Float[Tensor, "B K"]:
        """``-log p`` of the labelled keypoints together, the others integrated out, shared equally among them."""
        assert isinstance(distribution, PoseMarginals)
        assert distribution.pose is not None
        whole = -distribution.pose.log_prob(target, labelled) / labelled.sum(-1).clamp(min=1)
        return torch.where(labelled, whole[:, None], 0.0)

    def fuse(self, laws: Sequence[Distribution]) -> Distribution:
        """The equal mixture: of whole poses, where the laws still have them."""
        poses = [
            law.pose for law in laws if isinstance(law, PoseMarginals) and isinstance(law.pose, PoseGaussianMixture)
        ]
        return PoseGaussianMixture.fused(poses).marginals() if len(poses) == len(laws) else Mixture(laws)
