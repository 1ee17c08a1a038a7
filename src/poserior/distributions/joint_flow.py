"""A normalizing flow for every keypoint: the predictive density of RLE where no law of errors is shared.

Which flow a point belongs to is a tensor of indices beside the locations. It is indexed with them, so that exchanged,
selected or sliced keypoints keep their own flows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from poserior.distributions.base import index_batch
from poserior.distributions.flow import FlowLaw
from poserior.distributions.loc_scale import LocScale, StandardLaw, Summary


class FlowLaws(nn.Module):
    """K flows' laws, one per keypoint.

    Args:
        laws: K laws of one dimension.
    """

    def __init__(self, laws: Sequence[FlowLaw]) -> None:
        super().__init__()
        self.flows = nn.ModuleList(laws)

    def at(self, joint: Int[Tensor, "*B"]) -> "JointLaw":
        """The law of keypoints `joint`, each 0..K-1."""
        return JointLaw(self, joint)

    def law(self, joint: int) -> FlowLaw:
        """One keypoint's."""
        law = self.flows[joint]
        assert isinstance(law, FlowLaw)
        return law


class JointLaw(StandardLaw):
    """At every index of a batch the law of one of K flows. Errors end in the batch's shape: ``(..., *batch, D)``.

    Points are sorted by keypoint and every flow runs on its own: K small calls, where one shared flow needs a large
    one. Constants are gathered from the K flows'; no flow runs for mode, mean and covariance.

    Args:
        laws: the K flows.
        joint: ``(*batch)``, which of them; 0..K-1.
    """

    def __init__(self, laws: FlowLaws, joint: Int[Tensor, "*B"]) -> None:
        self.laws, self.joint = laws, joint

    def at(self, index: Any) -> "JointLaw":
        return JointLaw(self.laws, index_batch(self.joint, index, event_dims=0))

    def log_prob(self, error: Tensor) -> Tensor:
        return self._by_flow(FlowLaw.log_prob, error)

    def flow_log_prob(self, error: Tensor) -> Tensor:
        """Log density of the flows alone."""
        return self._by_flow(FlowLaw.flow_log_prob, error)

    def per_flow(self, function: Callable[[FlowLaw], Tensor]) -> Tensor:
        """A property of flows at every index of the batch, ``(*batch, ...)``; each flow is asked once."""
        return torch.stack([function(self.laws.law(k)) for k in range(len(self.laws.flows))])[self.joint]

    def draw(self, count: int, like: Tensor) -> Tensor:
        """``(count, D)`` draws; `count` is a multiple of the batch's size, whose index runs fastest."""
        repeats = count // max(self.joint.numel(), 1)
        # The points only say how many draws every flow owes.
        places = like.new_empty(repeats, *self.joint.shape, like.shape[-1])
        return self._by_flow(lambda law, own: law.draw(len(own), own), places).reshape(count, like.shape[-1])

    def summary(self, like: Tensor) -> Summary:
        summaries = [self.laws.law(k).summary(like) for k in range(len(self.laws.flows))]
        mode, mean, covariance = (torch.stack(values)[self.joint] for values in zip(*summaries, strict=True))
        return Summary(mode, mean, covariance)

    def nodes(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Points ``(M, *batch, D)`` and weights ``(M, *batch)``."""
        nodes = [self.laws.law(k).nodes(count, like) for k in range(len(self.laws.flows))]
        points, weights = (torch.stack(values, 1)[:, self.joint] for values in zip(*nodes, strict=True))
        return points, weights

    def kernel_mean(self, center: Tensor, width: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(center.shape, width.shape)  # type: ignore[no-untyped-call]
        return self._by_flow(FlowLaw.kernel_mean, center.expand(shape), width.expand(shape))

    def level(self, error: Tensor) -> Tensor:
        return self._by_flow(FlowLaw.level, error)

    def _by_flow(self, function: Callable[..., Tensor], *values: Tensor) -> Tensor:
        """``function(law, *values)`` with each flow's own points ``(N_k, D)``, put back in the points' order."""
        shape, dim = values[0].shape[:-1], values[0].shape[-1]
        joint = self.joint.expand(shape).flatten()
        if torch.compiler.is_exporting():  # how many points a flow has would decide the graph: each is asked all
            flat = [value.reshape(-1, dim) for value in values]
            results = torch.stack([function(self.laws.law(k), *flat) for k in range(len(self.laws.flows))])
            return results.gather(0, joint[None])[0].reshape(shape)
        order = joint.argsort()
        counts = joint.bincount(minlength=len(self.laws.flows)).tolist()
        own = list(zip(*(torch.split(value.reshape(-1, dim)[order], counts) for value in values), strict=True))
        asked = [k for k, count in enumerate(counts) if count] or [0]
        results = torch.cat([function(self.laws.law(k), *own[k]) for k in asked])[order.argsort()]
        return results.reshape(shape + results.shape[1:])


class JointFlow(LocScale):
    """``y = loc + scale * e`` with ``e`` from the keypoint's own flow.

    ``log p(y) = log G_joint((y - loc) / scale) - sum log |scale|``, exact and normalised.

    Args:
        loc: ``(*batch, D)``.
        scale: ``(*batch, D)``; not a standard deviation: that is ``scale`` times the flow's.
        laws: the K flows' laws.
        joint: ``(*batch)``, the flow of every point; 0..K-1.
    """

    def __init__(
        self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"], laws: FlowLaws, joint: Int[Tensor, "*B"]
    ) -> None:
        super().__init__(loc, scale, laws.at(joint))
