"""A normalizing flow moved and scaled: the predictive density of RLE and DLE.

The flow is one law for all keypoints and pictures, so its mode, mean and covariance are constants. They are found
once, kept as buffers and stored with the checkpoint; at inference the flow itself does not run. `joint_flow` has one
flow per keypoint.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions.base import mass_above, normal_nodes
from poserior.distributions.loc_scale import LocScale, StandardLaw, Summary
from poserior.distributions.realnvp import RealNVP

STORED_NODES = 2048


class FlowLaw(nn.Module, StandardLaw):
    """The flow's density ``G(e)``, or ``s Q(e) G(e)`` with a base law Q and ``s = 1 / int Q G``.

    Args:
        flow: G.
        base: Q, for RLE trained with its ``log s`` term; None for G alone.

    In training mode the constants are found afresh whenever they are asked for, since the flow moves with every
    step; leaving training mode (``.eval()``) stores them.
    """

    mode: Tensor
    mean: Tensor
    covariance: Tensor
    points: Tensor
    point_weights: Tensor
    point_log_prob: Tensor
    log_s: Tensor

    def __init__(self, flow: RealNVP, base: StandardLaw | None = None) -> None:
        super().__init__()
        self.flow, self.base = flow, base
        self._noise = normal_nodes(STORED_NODES, flow.dim)
        for name, value in self._constants().items():
            self.register_buffer(name, value)

    @torch.no_grad()
    def refresh(self) -> None:
        """Find the constants of the flow as it is now and store them."""
        for name, value in self._constants().items():
            setattr(self, name, value)

    def train(self, mode: bool = True) -> "FlowLaw":
        """Switch modes; leaving training mode stores the constants."""
        if self.training and not mode:
            self.refresh()
        super().train(mode)
        return self

    def log_prob(self, error: Tensor) -> Tensor:
        log_prob = self.flow.log_prob(error)
        if self.base is None:
            return log_prob
        return log_prob + self.base.log_prob(error) + self._now()["log_s"]

    def flow_log_prob(self, error: Tensor) -> Tensor:
        """Log density of the flow alone."""
        return self.flow.log_prob(error)

    def per_flow(self, function: Callable[["FlowLaw"], Tensor]) -> Tensor:
        """A property of the flow; see `JointLaw.per_flow`."""
        return function(self)

    def draw(self, count: int, like: Tensor) -> Tensor:
        if self.base is None:
            return self.flow.to_data(torch.randn(count, self.flow.dim, dtype=like.dtype, device=like.device)).to(like)
        # Rejection from G: Q is highest at 0.
        highest = self.base.log_prob(like.new_zeros(self.flow.dim))
        accepted: list[Tensor] = []
        while sum(map(len, accepted)) < count:
            draws = self.flow.to_data(torch.randn(2 * count + 64, self.flow.dim, dtype=like.dtype, device=like.device))
            keep = torch.rand(len(draws), device=like.device).log() < self.base.log_prob(draws) - highest
            accepted.append(draws[keep])
        return torch.cat(accepted)[:count].to(like)

    def summary(self, like: Tensor) -> Summary:
        now = self._now()
        return Summary(now["mode"].to(like), now["mean"].to(like), now["covariance"].to(like))

    def nodes(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        now = self._now()
        points, weights = now["points"][:count], now["point_weights"][:count]
        return points.to(like), (weights / weights.sum()).to(like)

    def nodes_log_prob(self, count: int, like: Tensor) -> Tensor:
        return self._now()["point_log_prob"][:count].to(like)

    def kernel_mean(self, center: Tensor, width: Tensor) -> Tensor:
        points, weights = self.nodes(STORED_NODES, center)
        if self.training and torch.is_grad_enabled():
            # The points stay; what the flow's weights change is how much each of them counts.
            log_prob = self.flow.log_prob(points)
            weights = (weights.log() + log_prob - log_prob.detach()).softmax(0)
        points = points.reshape(-1, *[1] * (center.dim() - 1), self.flow.dim)
        values = torch.exp(-0.5 * ((points - center) / width).square().sum(-1))
        return torch.einsum("m,m...->...", weights, values)

    def level(self, error: Tensor) -> Tensor:
        now = self._now()
        return mass_above(now["point_log_prob"], now["point_weights"], self.log_prob(error).detach())

    def _now(self) -> dict[str, Tensor]:
        if self.training and not torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            return self._constants()
        return {name: getattr(self, name) for name in _NAMES}

    @torch.no_grad()
    def _constants(self) -> dict[str, Tensor]:
        weight = self.flow.weights[0]
        points = self.flow.to_data(self._noise.to(weight))
        log_prob = self.flow.log_prob(points)
        log_s = points.new_zeros(())
        weights = torch.full_like(log_prob, 1 / len(points))
        if self.base is not None:
            log_ratio = self.base.log_prob(points)
            log_s = torch.log(torch.tensor(float(len(points)))).to(log_ratio) - log_ratio.logsumexp(0)
            weights, log_prob = log_ratio.softmax(0), log_prob + log_ratio + log_s
        mean = weights @ points
        centred = points - mean
        covariance = (weights[:, None] * centred).mT @ centred
        mode = self._climb(points[log_prob.argmax()], covariance.diagonal().sqrt())
        return dict(zip(_NAMES, (mode, mean, covariance, points, weights, log_prob, log_s), strict=True))

    def _climb(self, start: Tensor, spread: Tensor) -> Tensor:
        """The highest point near the best node: ever finer grids about the best point so far."""
        axis = torch.linspace(-1, 1, 9, dtype=start.dtype, device=start.device)
        offsets = torch.cartesian_prod(*[axis] * self.flow.dim)
        best, reach = start, spread
        for _ in range(12):
            candidates = torch.cat([best[None], best + reach * offsets])
            log_prob = self.flow.log_prob(candidates)
            if self.base is not None:
                log_prob = log_prob + self.base.log_prob(candidates)
            best, reach = candidates[log_prob.argmax()], reach / 2.5
        return best


_NAMES = ("mode", "mean", "covariance", "points", "point_weights", "point_log_prob", "log_s")


class Flow(LocScale):
    """``y = loc + scale * e`` with ``e`` from a flow: ``log p(y) = log G((y - loc) / scale) - sum log |scale|``.

    Exact and normalised. Source: Li et al., ICCV 2021, Eq 5.

    Args:
        loc: ``(*batch, D)``.
        scale: ``(*batch, D)``; not a standard deviation: that is ``scale`` times the flow's.
        law: the flow's law.
    """

    def __init__(self, loc: Float[Tensor, "*B D"], scale: Float[Tensor, "*B D"], law: FlowLaw) -> None:
        super().__init__(loc, scale, law)
