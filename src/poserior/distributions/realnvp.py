"""RealNVP with its coupling networks fused: the flow of RLE.

Every coupling holds two small networks, ``s`` (tanh-bounded log scale) and ``t`` (shift), of the coordinates its mask
keeps. Run one by one they cost more in calls than in arithmetic. Here all weights are stacked, ``s`` and ``t`` of a
coupling run as one batched product with the points along the last axis (products with one row or column are several
times faster that way round), and the backward pass is written out by hand.

Source: Dinh et al., "Density estimation using Real NVP", ICLR 2017; the use in pose: Li et al., "Human Pose
Regression with Residual Log-likelihood Estimation", ICCV 2021, section A of the supplement.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SLOPE = 0.01  # of LeakyReLU below zero
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
        for weight, bias in zip(self.weights, self.biases, strict=True):
            bound = 1 / math.sqrt(weight.shape[3])
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def log_prob(self, value: Float[Tensor, "*S D"]) -> Float[Tensor, "*S"]:
        """Exact log density of the flow at `value`, in the parameters' precision whatever autocast says."""
        with torch.autocast(value.device.type, enabled=False):
            points = value.to(self.weights[0].dtype).reshape(-1, self.dim)
            # Without gradients nothing is kept, so many points go through in portions that fit a processor's cache.
            portions = [points] if torch.is_grad_enabled() else torch.split(points, PORTION)
            return torch.cat([self._log_prob(portion) for portion in portions]).reshape(value.shape[:-1])

    def _log_prob(self, points: Tensor) -> Tensor:
        log_prob: Tensor = _LogProb.apply(points.mT.contiguous(), *self.weights, *self.biases)
        return log_prob

    @torch.no_grad()
    def to_data(self, noise: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Standard-normal noise to draws of the flow."""
        with torch.autocast(noise.device.type, enabled=False):
            points = noise.to(self.weights[0].dtype)
            return torch.cat([self._to_data(portion) for portion in torch.split(points, PORTION)])

    def _to_data(self, noise: Tensor) -> Tensor:
        rows = _rows(noise.mT.contiguous())
        couplings = _Couplings([*self.weights, *self.biases], len(noise))
        for i in range(self.couplings):
            keep, change = _split(i % 2, self.dim)
            log_scale, shift = couplings.run(i, _join(rows[keep])).unbind(0)
            rows[change] = _rows(_join(rows[change]) * log_scale.tanh().exp() + shift)
        return torch.cat(rows).mT


def _split(parity: int, dim: int) -> tuple[slice, slice]:
    """Which coordinates the even (0) or odd (1) couplings keep and which they change."""
    last, rest = slice(dim - 1, dim), slice(0, dim - 1)
    return (last, rest) if parity == 0 else (rest, last)


def _used(weights: Sequence[Tensor], biases: Sequence[Tensor], parity: int, dim: int) -> tuple[list[Tensor], ...]:
    """The weights and biases of the even or odd couplings, with the rows and columns their mask selects."""
    keep, change = _split(parity, dim)
    chosen = [weight[parity::2] for weight in weights]
    shifts = [bias[parity::2] for bias in biases]
    first, last = chosen[0][..., keep], chosen[-1][:, :, change]
    return [first, *chosen[1:-1], last], [*shifts[:-1], shifts[-1][:, :, change]]


def _rows(points: Tensor) -> list[Tensor]:
    return [points] if len(points) == 1 else list(points.unsqueeze(1).unbind(0))


def _join(rows: list[Tensor]) -> Tensor:
    return rows[0] if len(rows) == 1 else torch.cat(rows)


class _Couplings:
    """The couplings' weights, taken apart once: networks by coupling, and buffers for what they remember."""

    def __init__(self, parameters: Sequence[Tensor], points: int) -> None:
        self.layers, self.dim, self.count = len(parameters) // 2, parameters[0].shape[3], len(parameters[0])
        self.hidden: list[list[Tensor]] = []  # of even and odd couplings: (couplings, 2, width, N) by layer
        self._parts: list[list[tuple[Tensor, ...]]] = []
        for parity in range(min(2, self.count)):
            weights, biases = _used(parameters[: self.layers], parameters[self.layers :], parity, self.dim)
            self.hidden.append([weight.new_empty(*weight.shape[:3], points) for weight in weights[:-1]])
            by_layer = [tensor.unbind(0) for tensor in [*weights, *biases, *self.hidden[-1]]]
            self._parts.append(list(zip(*by_layer, strict=True)))

    def run(self, i: int, kept: Tensor) -> Tensor:
        """Outputs ``(2, changed, N)`` of coupling i's two networks, before tanh; hidden layers go to `hidden`."""
        parts, layers = self._parts[i % 2][i // 2], self.layers
        weights, biases, buffers = parts[:layers], parts[layers : 2 * layers], parts[2 * layers :]
        hidden = kept.expand(2, -1, -1)
        for weight, bias, buffer in zip(weights, biases, buffers, strict=False):
            hidden = nn.functional.leaky_relu_(torch.baddbmm(bias, weight, hidden, out=buffer), SLOPE)
        return torch.baddbmm(biases[-1], weights[-1], hidden)


class _LogProb(torch.autograd.Function):
    """``e (D, N) -> log p(e) (N,)``, with a backward pass written by hand.

    Forward the couplings wait for one another. Backward they need not: a network's derivatives at a remembered input
    do not depend on what flows back into it. So all networks' derivatives are formed at once, in batched products;
    only a few operations on single rows then run from coupling to coupling.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, *parameters: Tensor) -> Tensor:
        couplings = _Couplings(parameters, value.shape[1])
        rows, log_scales, saved = _rows(value), [], []
        for i in reversed(range(couplings.count)):
            keep, change = _split(i % 2, couplings.dim)
            kept = _join(rows[keep])
            log_scale, shift = couplings.run(i, kept).unbind(0)
            shrink = log_scale.tanh_().neg().exp_()
            changed = torch.sub(_join(rows[change]), shift).mul_(shrink)
            rows[change] = _rows(changed)
            log_scales.append(log_scale)
            saved += [kept, log_scale, shrink, changed]
        noise = torch.cat(rows)
        ctx.layers = couplings.layers
        ctx.save_for_backward(noise, *parameters, *saved, *(layer for group in couplings.hidden for layer in group))
        squared = 0.5 * noise.square() + 0.5 * math.log(2 * math.pi)
        return torch.cat([*log_scales, squared]).sum(0).neg_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_log_prob: Tensor) -> tuple[Tensor | None, ...]:
        layers, (noise, *tensors) = ctx.layers, ctx.saved_tensors
        parameters, tensors = tensors[: 2 * layers], tensors[2 * layers :]
        count, dim = len(parameters[0]), len(noise)
        small, hidden = tensors[: 4 * count], tensors[4 * count :]
        groups = [
            _Group(parameters, parity, hidden[parity * (layers - 1) : (parity + 1) * (layers - 1)])
            for parity in range(min(2, count))
        ]
        rows = _rows(-grad_log_prob * noise)
        for i in range(count):  # the flow ran from the last coupling to the first
            keep, change = _split(i % 2, dim)
            kept, log_scale, shrink, changed = small[4 * (count - 1 - i) : 4 * (count - i)]
            grad = _join(rows[change])
            grad_shift = grad * shrink
            grad_log_scale = torch.ops.aten.tanh_backward(torch.addcmul(grad_log_prob, grad, changed), log_scale)
            into_kept = groups[i % 2].receive(kept, torch.cat([grad_log_scale, grad_shift]))
            rows[change] = _rows(grad_shift)
            rows[keep] = _rows(torch.sub(_join(rows[keep]), into_kept))
        totals = [torch.zeros_like(parameter) for parameter in parameters]
        for parity, group in enumerate(groups):
            into_weights, into_biases = _used(totals[:layers], totals[layers:], parity, dim)
            group.write(into_weights, into_biases)
        return torch.cat(rows), *totals


class _Group:
    """The derivatives of the even or the odd couplings' networks, all at once.

    Rows of the first axis are (coupling, s or t, output). Both outputs enter the flow with a minus sign: gradients
    are received without it, and taken off at the end.
    """

    def __init__(self, parameters: Sequence[Tensor], parity: int, hidden: Sequence[Tensor]) -> None:
        layers = len(hidden) + 1
        self.dim = parameters[0].shape[3]
        weights, _ = _used(parameters[:layers], parameters[layers:], parity, self.dim)
        self.outputs = weights[-1].shape[2]
        self.hidden = [self._by_output(layer) for layer in hidden]
        weights = [*(self._by_output(weight) for weight in weights[:-1]), weights[-1].flatten(0, 2).unsqueeze(1)]
        # d output / d (what LeakyReLU receives), last hidden layer first; an activation's sign tells the slope.
        back = torch.ops.aten.leaky_relu_backward(weights[-1].mT, self.hidden[-1], SLOPE, True)
        self.slopes = [back]
        for layer in reversed(range(1, layers - 1)):
            back = torch.bmm(weights[layer].mT, back)
            torch.ops.aten.leaky_relu_backward.grad_input(back, self.hidden[layer - 1], SLOPE, True, grad_input=back)
            self.slopes.append(back)
        back = torch.bmm(weights[0].mT, back)
        self.jacobian = back.view(len(parameters[0][parity::2]), 2 * self.outputs, -1, back.shape[-1]).unbind(
            0
        )  # (2 changed, kept, N)
        self.inputs: list[Tensor] = []
        self.grads: list[Tensor] = []

    def receive(self, kept: Tensor, grad: Tensor) -> Tensor:
        """Take the gradient ``(2 changed, N)`` of the next coupling's outputs; give that of its input."""
        jacobian = self.jacobian[len(self.grads)]
        self.inputs.append(kept)
        self.grads.append(grad)
        return (jacobian * grad.unsqueeze(1)).sum(0)

    def write(self, into_weights: list[Tensor], into_biases: list[Tensor]) -> None:
        """The parameters' gradients, written into (views of) zeros."""
        grad = torch.cat(self.grads).neg_().unsqueeze(1)  # (nets and outputs, 1, N)
        into_weights[-1].copy_(torch.bmm(grad, self.hidden[-1].mT).view_as(into_weights[-1]))
        into_biases[-1].copy_(grad.sum(-1).view_as(into_biases[-1]))
        *upper, first = self.slopes
        for layer, slope in zip(reversed(range(1, len(self.slopes))), upper, strict=True):
            scaled = slope.mul_(grad)
            weight = torch.bmm(scaled, self.hidden[layer - 1].mT)
            self._write(weight, scaled.sum(-1, keepdim=True), into_weights[layer], into_biases[layer])
        # The inputs have one or two rows, the slopes many: scale the inputs, and take the bias as a row of ones.
        kept = torch.stack(self.inputs).repeat_interleave(2 * self.outputs, 0)
        both = torch.bmm(first, torch.cat([kept * grad, grad], 1).mT)
        self._write(both[..., :-1], both[..., -1:], into_weights[0], into_biases[0])

    def _write(self, weight: Tensor, bias: Tensor, into_weight: Tensor, into_bias: Tensor) -> None:
        for gradient, into in ((weight, into_weight), (bias, into_bias)):
            into.copy_(
                gradient.reshape(*into.shape[:2], self.outputs, *gradient.shape[1:]).sum(2)
            )  # over a network's outputs

    def _by_output(self, nets: Tensor) -> Tensor:
        flat = nets.flatten(0, 1)
        return flat if self.outputs == 1 else flat.repeat_interleave(self.outputs, 0)
