"""RealNVP with its coupling networks fused: the flow of RLE.

Every coupling holds two small networks, ``s`` (tanh-bounded log scale) and ``t`` (shift), of the coordinates its mask
keeps. Run one by one they cost more in calls than in arithmetic. Here all weights are stacked, ``s`` and ``t`` of a
coupling run as one batched product with the points along the last axis (products with one row or column are several
times faster that way round), and the backward pass is written out by hand.

Source: Dinh et al., "Density estimation using Real NVP", ICLR 2017; the use in pose: Li et al., "Human Pose
Regression with Residual Log-likelihood Estimation", ICCV 2021, section A of the supplement.
"""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from poserior.distributions.couplings import LogProb, groups_of, join, rows_of, split

PORTION = 4096  # points at a time where no gradient is wanted


class RealNVP(nn.Module):
    """A normalizing flow on R^D: data ``e`` to standard-normal ``z`` and back.

    ``log p(e) = log N(z; 0, I) + log |det dz/de|``. From noise to data, each coupling keeps some coordinates ``z_k``
    and maps the others, ``z_c -> z_c exp(s(z_k)) + t(z_k)``; even couplings keep the last coordinate and change the
    rest, odd ones the other way round. At most a factor e is won or lost per coupling and axis.

    Args:
        dim: D, 2 or 3.
        couplings: how many.
        layers: fully connected layers of each network, at least 2 (the paper's ``L_fc``; its networks are 3 x 64).
        neurons: width of the hidden layers (the paper's ``N_n``).
    """

    kept: Tensor

    def __init__(self, dim: int = 2, couplings: int = 6, layers: int = 3, neurons: int = 64) -> None:
        super().__init__()
        if dim < 2 or couplings < 1 or layers < 2 or neurons < 1:
            raise ValueError(
                "expected dim >= 2, couplings >= 1, layers >= 2 and neurons >= 1,"
                f" found {dim}, {couplings}, {layers} and {neurons}"
            )
        self.dim, self.couplings = dim, couplings
        sizes = [dim] + [neurons] * (layers - 1) + [dim]
        pairs = list(pairwise(sizes))
        # (couplings, 2, out, in): index 0 of the second axis is s, 1 is t. The first layer has a column and the last
        # a row for every coordinate, as in the paper's masked networks; a coupling uses those its mask selects.
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(couplings, 2, o, i)) for i, o in pairs)
        self.biases = nn.ParameterList(nn.Parameter(torch.empty(couplings, 2, o, 1)) for _, o in pairs)
        kept = torch.tensor([[float(j in range(dim)[split(i, dim)[0]]) for j in range(dim)] for i in range(couplings)])
        self.register_buffer("kept", kept.view(couplings, 1, 1, dim), persistent=False)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = 1 / math.sqrt(weight.shape[3])
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def log_prob(self, value: Float[Tensor, "*S D"]) -> Float[Tensor, "*S"]:
        """Exact log density of the flow at `value`, in the parameters' precision whatever autocast says."""
        with torch.autocast(value.device.type, enabled=False):
            points, parameters = value.to(self.weights[0].dtype), [self.kept, *self.weights, *self.biases]
            if torch.is_grad_enabled():
                log_prob: Tensor = LogProb.apply(points, *parameters)
                return log_prob
            # Without gradients nothing is kept, so many points go through in portions that fit a processor's cache.
            # An exported graph has no number of portions that goes with its batch.
            points = points.reshape(-1, self.dim)
            portions = (points,) if torch.compiler.is_exporting() else torch.split(points, PORTION)
            return torch.cat([LogProb.apply(portion, *parameters) for portion in portions]).reshape(value.shape[:-1])

    @torch.no_grad()
    def to_data(self, noise: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Standard-normal noise to draws of the flow."""
        with torch.autocast(noise.device.type, enabled=False):
            points = noise.to(self.weights[0].dtype)
            return torch.cat([self._to_data(portion) for portion in torch.split(points, PORTION)])

    def _to_data(self, noise: Tensor) -> Tensor:
        rows = rows_of(noise.mT.contiguous())
        groups = groups_of(self.kept, [*self.weights, *self.biases], len(noise))
        for i in range(self.couplings):
            keep, change = split(i, self.dim)
            minus_s, minus_t = groups[i % len(groups)].run(i // len(groups), join(rows[keep]))
            rows[change] = rows_of(join(rows[change]) * minus_s.tanh().neg().exp() - minus_t)
        return torch.cat(rows).mT
