"""The energy head: any density, as a correction of a simple one."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior import distributions
from poserior.distributions.energy import log_logistic
from poserior.heads.base import Head
from poserior.heads.energy_objectives import ObjectiveName, pose_objective
from poserior.heads.pooled import LocationAndScale, PooledLinear

# Labels are drawn to within this many scales of the location before they enter f: a label beyond is a mistake, and
# float32 could not tell candidates about it apart.
REACH = 100.0


class Correction(nn.Module):
    """f: a small net of the standardised candidate ``e``, to which the features of each keypoint are added twice.

    ``h = tanh(A e + c1)``, ``f = v . (h + tanh(W h + c2))``, with ``c1, c2`` linear in the pooled features. It
    works on features once per item and on candidates in `width` numbers; it is smooth and bounded by ``2 |v|_1``.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D.
        width: of the two layers.
    """

    def __init__(self, in_channels: int, num_keypoints: int, dim: int, width: int) -> None:
        super().__init__()
        self.context = PooledLinear(in_channels, num_keypoints, 2 * width)
        self.embed = nn.Linear(dim, width)
        self.mix = nn.Linear(width, width)
        self.weigh = nn.Linear(width, 1, bias=False)  # a constant in f would cancel in the density
        nn.init.normal_(self.embed.weight)
        nn.init.uniform_(self.embed.bias, -3, 3)  # ridges all over the base law
        nn.init.normal_(self.weigh.weight, std=0.01)  # the density starts as the base law

    def forward(self, errors: Float[Tensor, "M *B D"], context: Float[Tensor, "*B P"]) -> Float[Tensor, "M *B"]:
        """Values of f; in its own precision whatever autocast says."""
        device = errors.device.type
        if torch.is_autocast_enabled(device):  # asked first: every region of its own makes an export slower
            with torch.autocast(device, enabled=False):
                return self._values(errors, context)
        return self._values(errors, context)

    def _values(self, errors: Tensor, context: Tensor) -> Tensor:
        first, second = context.chunk(2, -1)
        hidden = torch.tanh(self.embed(errors) + first)
        hidden = hidden + torch.tanh(self.mix(hidden) + second)
        values: Tensor = self.weigh(hidden)
        return values[..., 0]


class Energy(Head):
    """``p(y) = base(e) exp f(features, e) / Z``, ``e = (y - loc) / scale``: a free density about a first prediction.

    The location and the scale of the base, a logistic law (a smooth Laplace: exponential tails, a round top), are
    trained on that law's own likelihood, as the baseline whose prediction the paper refines. The rest, f, is trained
    by `objective` with the location and the scale as constants, so that neither spoils the other; both train the
    backbone. Candidates and the objectives' settings are in units of the predicted scale (`pose_objective` lists
    them). The loss is the sum of the two and no likelihood. The density's `mode` is the paper's prediction, a gradient
    ascent that keeps a step only if f grew; its `loc` is the first prediction.

    Source: Gustafsson et al., "Energy-Based Models for Deep Probabilistic Regression", ECCV 2020; objectives from
    Gustafsson et al., "How to Train Your Energy-Based Model for Regression", BMVC 2020.

    Args:
        in_channels: C.
        num_keypoints: K.
        dim: D, 2 or 3.
        objective: how f is trained: see `poserior.heads.energy_objectives`.
        samples: candidates per keypoint in training (not for ``"sm"``).
        width: of f's layers.
        cells: per axis of the grid that normalises the density; 48 in 2-D and 20 in 3-D if not given.
        initial_scale: where the base's scales start, as a fraction of the crop's side.
        scale_floor: the smallest scale that can be predicted.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        dim: int = 2,
        objective: ObjectiveName = "ml-is",
        samples: int = 128,
        width: int = 32,
        cells: int | None = None,
        initial_scale: float = 0.1,
        scale_floor: float = 1e-4,
    ) -> None:
        super().__init__(in_channels, num_keypoints, dim)
        self.objective, self.cells = pose_objective(objective, samples), cells
        self.regress = LocationAndScale(in_channels, num_keypoints, dim, initial_scale, scale_floor)
        self.correction = Correction(in_channels, num_keypoints, dim, width)

    def forward(self, features: Float[Tensor, "B C H W"]) -> distributions.Energy:
        loc, scale = self.regress(features)
        return distributions.Energy(loc, scale, self.correction, self.correction.context(features), self.cells)

    def loss(self, distribution: distributions.Distribution, target: Float[Tensor, "B K D"]) -> Float[Tensor, "B K"]:
        """The objective for f plus the base law's negative log-likelihood (it trains location and scale alone)."""
        assert isinstance(distribution, distributions.Energy)
        error = distribution.standardise(target)
        base = distribution.scale.abs().log().sum(-1) - log_logistic(error)
        return base + self.objective(distribution.unnormalised, error.detach().clamp(-REACH, REACH))
