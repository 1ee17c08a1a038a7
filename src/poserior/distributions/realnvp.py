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
    and maps the others, ``z_c -> z_c exp(s(z_k)) + t(z_k)``; even couplings keep the last coordinate, odd ones the
    first. At most a factor e is won or lost per coupling and axis.

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
        columns = points.mT.contiguous()
        noise, log_det = _ToNoise.apply(columns, torch.is_grad_enabled(), *self.weights, *self.biases)
        log_prob: Tensor = log_det - 0.5 * noise.square().sum(0) - 0.5 * self.dim * math.log(2 * math.pi)
        return log_prob

    @torch.no_grad()
    def to_data(self, noise: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """Standard-normal noise to draws of the flow."""
        with torch.autocast(noise.device.type, enabled=False):
            points = noise.to(self.weights[0].dtype)
            return torch.cat([self._to_data(portion) for portion in torch.split(points, PORTION)])

    def _to_data(self, noise: Tensor) -> Tensor:
        rows = _rows(noise.mT.contiguous())
        weights, biases = _unbind(list(self.weights)), _unbind(list(self.biases))
        for i in range(self.couplings):
            keep, change = _split(i, self.dim)
            outputs, _ = _networks(_join(rows[keep]), weights[i], biases[i], keep, change)
            rows[change] = _rows(_join(rows[change]) * outputs[0].tanh().exp() + outputs[1])
        return torch.cat(rows).mT


def _split(i: int, dim: int) -> tuple[slice, slice]:
    """Which coordinates coupling i keeps and which it changes."""
    return (slice(dim - 1, dim), slice(0, dim - 1)) if i % 2 == 0 else (slice(0, 1), slice(1, dim))


def _rows(points: Tensor) -> list[Tensor]:
    return [points] if len(points) == 1 else list(points.unsqueeze(1).unbind(0))


def _join(rows: list[Tensor]) -> Tensor:
    return rows[0] if len(rows) == 1 else torch.cat(rows)


def _unbind(stacked: list[Tensor]) -> list[list[Tensor]]:
    """Layer by layer, all couplings -> coupling by coupling, all layers."""
    return [list(layers) for layers in zip(*(tensor.unbind(0) for tensor in stacked), strict=True)]


def _networks(
    kept: Tensor, weights: list[Tensor], biases: list[Tensor], keep: slice, change: slice
) -> tuple[Tensor, list[Tensor]]:
    """A coupling's two networks: outputs ``(2, changed, N)`` before tanh, hidden activations ``(2, width, N)``."""
    hidden = torch.baddbmm(biases[0], weights[0][:, :, keep], kept.expand(2, -1, -1))
    activations = [nn.functional.leaky_relu_(hidden, SLOPE)]
    for weight, bias in zip(weights[1:-1], biases[1:-1], strict=True):
        hidden = torch.baddbmm(bias, weight, activations[-1])
        activations.append(nn.functional.leaky_relu_(hidden, SLOPE))
    return torch.baddbmm(biases[-1][:, change], weights[-1][:, change], activations[-1]), activations


class _ToNoise(torch.autograd.Function):
    """``e (D, N) -> z (D, N), log |det dz/de| (N,)``, with a backward pass written by hand."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, differentiate: bool, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        layers, dim = len(parameters) // 2, len(value)
        weights, biases = _unbind(list(parameters[:layers])), _unbind(list(parameters[layers:]))
        rows, log_scales, saved = _rows(value), [], []
        for i in reversed(range(len(weights))):
            keep, change = _split(i, dim)
            kept = _join(rows[keep])
            outputs, activations = _networks(kept, weights[i], biases[i], keep, change)
            log_scale, shift = outputs.unbind(0)
            log_scale.tanh_()
            shrink = log_scale.neg().exp_()
            changed = torch.sub(_join(rows[change]), shift).mul_(shrink)
            rows[change] = _rows(changed)
            log_scales.append(log_scale)
            if differentiate:
                saved += [kept, log_scale, shrink, changed, *activations]
        ctx.save_for_backward(*parameters[:layers], *saved)
        ctx.layers = layers
        return torch.cat(rows), torch.cat(log_scales).sum(0).neg_()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_noise: Tensor, grad_log_det: Tensor) -> tuple[Tensor | None, ...]:
        layers, dim = ctx.layers, len(grad_noise)
        stacked, saved = ctx.saved_tensors[:layers], ctx.saved_tensors[layers:]
        per = 4 + layers - 1
        # Both outputs enter with a minus sign; the gradients are formed without it and negated once at the end.
        # The entries that a mask leaves out stay zero.
        total_weights = [torch.zeros_like(weight) for weight in stacked]
        total_biases = [torch.zeros_like(weight[..., :1]) for weight in stacked]
        weights, into_weights, into_biases = _unbind(list(stacked)), _unbind(total_weights), _unbind(total_biases)
        rows = _rows(grad_noise)
        for i in range(len(weights)):  # the flow ran from the last coupling to the first
            keep, change = _split(i, dim)
            start = (len(weights) - 1 - i) * per
            kept, log_scale, shrink, changed, *activations = saved[start : start + per]
            used = [weights[i][0][:, :, keep], *weights[i][1:-1], weights[i][-1][:, change]]
            into = [into_weights[i][0][:, :, keep], *into_weights[i][1:-1], into_weights[i][-1][:, change]]
            into_bias = [*into_biases[i][:-1], into_biases[i][-1][:, change]]
            grad = _join(rows[change])
            grad_shift = grad * shrink
            grad_log_scale = torch.ops.aten.tanh_backward(torch.addcmul(grad_log_det, grad, changed), log_scale)
            grad_output = torch.stack([grad_log_scale, grad_shift])
            for layer in reversed(range(layers)):
                layer_input = activations[layer - 1] if layer else kept.expand(2, -1, -1)
                torch.bmm(grad_output, layer_input.mT, out=into[layer])
                torch.sum(grad_output, -1, keepdim=True, out=into_bias[layer])
                grad_output = torch.bmm(used[layer].mT, grad_output)
                if layer:  # LeakyReLU keeps the sign, so its output tells its slope
                    torch.ops.aten.leaky_relu_backward.grad_input(
                        grad_output, layer_input, SLOPE, True, grad_input=grad_output
                    )
            rows[change] = _rows(grad_shift)
            rows[keep] = _rows(_join(rows[keep]) - grad_output.sum(0))
        return torch.cat(rows), None, *(total.neg_() for total in [*total_weights, *total_biases])
