"""RealNVP's couplings, run together: stacked weights, batched products, a backward pass written by hand.

`poserior.distributions.realnvp` holds the parameters; here is what is done with them.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SLOPE = 0.01  # of LeakyReLU below zero


def split(coupling: int, dim: int) -> tuple[slice, slice]:
    """Which coordinates a coupling keeps and which it changes."""
    last, rest = slice(dim - 1, dim), slice(0, dim - 1)
    return (rest, last) if coupling % 2 else (last, rest)


def rows_of(points: Tensor) -> list[Tensor]:
    """Points ``(D, N)`` as D rows ``(1, N)``, which couplings then replace one by one."""
    return [points] if len(points) == 1 else list(points.unsqueeze(1).unbind(0))


def join(rows: list[Tensor]) -> Tensor:
    """The rows as one tensor."""
    return rows[0] if len(rows) == 1 else torch.cat(rows)


class Masks:
    """What masks select from the stacked parameters, for couplings whose networks have one shape.

    In 2-D every coupling keeps one coordinate and changes one, so all couplings go together, else every other one.

    Args:
        kept: ``(couplings, 1, 1, D)``, 1 where a coupling keeps a coordinate.
        start: the first of the couplings.
    """

    def __init__(self, kept: Tensor, start: int) -> None:
        self.dim, self.start = kept.shape[3], start
        self.kept, self.minus_changed = kept, (kept - 1).mT
        self.keep, self.change = split(start, self.dim)

    def select(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Weights and biases, each by layer, with the rows and columns that the couplings use.

        The last layer's are negated, once for all: from data to noise, s and t are only used with a minus sign.
        """
        layers = len(parameters) // 2
        if self.dim == 2:  # one column and one row: what is left of a masked sum
            chosen = list(parameters)
            chosen[0] = (chosen[0] * self.kept).sum(3, keepdim=True)
            for index in (layers - 1, 2 * layers - 1):
                chosen[index] = (chosen[index] * self.minus_changed).sum(2, keepdim=True)
            return chosen
        chosen = [parameter[self.start :: 2] for parameter in parameters]
        chosen[0] = chosen[0][..., self.keep]
        for index in (layers - 1, 2 * layers - 1):
            chosen[index] = -chosen[index][:, :, self.change]
        return chosen

    def restore(self, grads: list[Tensor]) -> list[Tensor]:
        """Gradients of what was selected as those of the group's whole parameters: zero where masked."""
        layers = len(grads) // 2
        whole = list(grads)
        if self.dim == 2:
            whole[0] = grads[0] * self.kept
            for index in (layers - 1, 2 * layers - 1):
                whole[index] = grads[index] * self.minus_changed
            return whole
        whole[0] = grads[0].new_zeros(*grads[0].shape[:3], self.dim)
        whole[0][..., self.keep] = grads[0]
        for index in (layers - 1, 2 * layers - 1):
            grad = grads[index]
            whole[index] = grad.new_zeros(*grad.shape[:2], self.dim, grad.shape[3])
            whole[index][:, :, self.change] = -grad
        return whole


class Group:
    """Couplings whose networks have one shape, and buffers for what they remember.

    Attributes:
        changed: what they made of the coordinates they change, ``(couplings, changed, N)``.
        shrink: ``exp(-s)``, as `changed`.
        hidden: the networks' hidden layers, ``(couplings, 2, width, N)`` each.
        outputs: -s and -t, ``(couplings, 2, changed, N)``.
    """

    def __init__(self, kept: Tensor, parameters: Sequence[Tensor], start: int, points: int) -> None:
        layers = len(parameters) // 2
        self.masks = Masks(kept, start)
        self.parameters = self.masks.select(parameters)
        weights = self.parameters[:layers]
        *self.hidden, self.outputs = (weight.new_empty(*weight.shape[:3], points) for weight in weights)
        self.changed, self.shrink = self.outputs.new_empty(2, *self.outputs[:, 0].shape)
        self._kept: list[Tensor] = []
        by_layer = [tensor.unbind(0) for tensor in [*self.parameters, *self.hidden, self.outputs]]
        steps = [list(zip(*by_layer[layer::layers], strict=True)) for layer in range(layers)]
        self._steps = list(zip(*steps, strict=True))  # by coupling, by layer: weight, bias, buffer
        minus_s, minus_t = self.outputs.unbind(1)
        rows = [tensor.unbind(0) for tensor in (self.changed, self.shrink, minus_s, minus_t)]
        self._rows = list(zip(*rows, strict=True))

    def run(self, i: int, kept: Tensor) -> tuple[Tensor, Tensor]:
        """``-s`` and ``-t``, ``(changed, N)``, of the i-th coupling; the first before tanh."""
        hidden = kept.expand(2, -1, -1)
        *inner, (weight, bias, buffer) = self._steps[i]
        for inner_weight, inner_bias, inner_buffer in inner:
            hidden = torch.baddbmm(inner_bias, inner_weight, hidden, out=inner_buffer)
            nn.functional.leaky_relu_(hidden, SLOPE)
        torch.baddbmm(bias, weight, hidden, out=buffer)
        return self._rows[i][2:]

    def change(self, i: int, kept: Tensor, change: Tensor) -> Tensor:
        """The i-th coupling from data to noise: ``(x - t) exp(-s)`` for the coordinates it changes."""
        changed, shrink, _, _ = self._rows[i]
        minus_s, minus_t = self.run(i, kept)
        self._kept.insert(0, kept)  # the last coupling comes first
        torch.exp(minus_s.tanh_(), out=shrink)
        return torch.add(change, minus_t, out=changed).mul_(shrink)

    def remembered(self) -> list[Tensor]:
        """What the backward pass needs."""
        weights = self.parameters[: len(self.hidden) + 1]
        return [torch.stack(self._kept), self.changed, self.shrink, self.outputs, *weights, *self.hidden]


def groups_of(kept: Tensor, parameters: Sequence[Tensor], points: int) -> list[Group]:
    """The couplings in groups; coupling i is number ``i // len(groups)`` of group ``i % len(groups)``."""
    couplings, _, _, dim = kept.shape
    return [Group(kept, parameters, start, points) for start in range(1 if dim == 2 else min(2, couplings))]


class LogProb(torch.autograd.Function):
    """``e (*S, D) -> log p(e) (*S,)``, with a backward pass written by hand.

    Forward the couplings wait for one another. Backward they need not: a network's derivatives at a remembered input
    do not depend on what flows back into it. So all networks' derivatives are formed at once, in batched products;
    only a few operations on single rows then run from coupling to coupling.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, kept: Tensor, *parameters: Tensor) -> Tensor:
        couplings, _, _, dim = kept.shape
        points = value.reshape(-1, dim).mT.contiguous()
        groups = groups_of(kept, parameters, points.shape[1])
        rows = rows_of(points)
        for i in reversed(range(couplings)):
            keep, change = split(i, dim)
            group, number = groups[i % len(groups)], i // len(groups)
            rows[change] = rows_of(group.change(number, join(rows[keep]), join(rows[change])))
        noise = torch.cat(rows)
        ctx.masks = [group.masks for group in groups]
        ctx.save_for_backward(noise, *(tensor for group in groups for tensor in group.remembered()))
        log_prob = -0.5 * (noise.square().sum(0) + dim * math.log(2 * math.pi))
        for group in groups:
            log_prob += group.outputs[:, 0].sum((0, 1))
        return log_prob.view(value.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_log_prob = grad.reshape(-1)
        noise, *remembered = ctx.saved_tensors
        couplings, dim, size = len(ctx.masks[0].kept), len(noise), len(remembered) // len(ctx.masks)
        groups = [
            _Backward(grad_log_prob, remembered[at : at + 4], *_halves(remembered[at + 4 : at + size]))
            for at in range(0, len(remembered), size)
        ]
        rows = rows_of(-grad_log_prob * noise)
        for i in range(couplings):  # the flow ran from the last coupling to the first
            keep, change = split(i, dim)
            grads = groups[i % len(groups)].pull(i // len(groups), join(rows[keep]), join(rows[change]))
            rows[keep], rows[change] = map(rows_of, grads)
        by_group = [masks.restore(group.gradients()) for masks, group in zip(ctx.masks, groups, strict=True)]
        into_value = torch.cat(rows).mT.reshape(*grad.shape, dim)
        return into_value, None, *(_interleave(list(grads), couplings) for grads in zip(*by_group, strict=True))


def _halves(tensors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Weights by layer, hidden layers: of the former there is one more."""
    return tensors[: len(tensors) // 2 + 1], tensors[len(tensors) // 2 + 1 :]


def _interleave(groups: list[Tensor], couplings: int) -> Tensor:
    """Rows of the groups, in the couplings' order."""
    if len(groups) == 1:
        return groups[0]
    even, odd = groups
    together = even.new_empty(couplings, *even.shape[1:])
    together[0::2], together[1::2] = even, odd
    return together


class _Backward:
    """The derivatives of a group's networks, all at once.

    The first axis of batched products is (coupling, s or t, output).
    """

    def __init__(
        self,
        grad_log_prob: Tensor,
        remembered: Sequence[Tensor],
        weights: Sequence[Tensor],
        hidden: Sequence[Tensor],
    ) -> None:
        kept, changed, shrink, outputs = remembered
        self.couplings, _, self.outputs, points = outputs.shape
        self.grad_log_prob, self.kept, self.changed, self.shrink = grad_log_prob, kept, changed, shrink
        self.hidden = [self._by_output(layer) for layer in hidden]
        by_output = [*(self._by_output(weight) for weight in weights[:-1]), weights[-1].flatten(0, 2).unsqueeze(1)]
        # d output / d (what LeakyReLU receives), last hidden layer first; an activation's sign tells the slope.
        back = torch.ops.aten.leaky_relu_backward(by_output[-1].mT, self.hidden[-1], SLOPE, True)
        self.slopes = [back]
        for layer in reversed(range(1, len(hidden))):
            back = torch.bmm(by_output[layer].mT, back)
            torch.ops.aten.leaky_relu_backward.grad_input(back, self.hidden[layer - 1], SLOPE, True, grad_input=back)
            self.slopes.append(back)
        back = torch.bmm(by_output[0].mT, back)
        jacobian_s, jacobian_t = back.view(self.couplings, 2, self.outputs, -1, points).unbind(1)
        # A coupling takes the gradient g of what it changed to g exp(-s), and adds to that of what it kept
        #   J_s (1 - s^2) (grad_log_prob + g changed) + J_t exp(-s) g,
        # linear in g with factors known beforehand.
        self.tanh_slope = 1 - outputs[:, 0].square()
        slope_s = jacobian_s * self.tanh_slope.unsqueeze(2)
        factor = torch.addcmul(jacobian_t * shrink.unsqueeze(2), slope_s, changed.unsqueeze(2))
        constant = slope_s.sum(1) * grad_log_prob
        self._grads: list[Tensor] = []  # of what was changed, by coupling
        self._steps = list(zip(*(tensor.unbind(0) for tensor in (factor, constant, shrink)), strict=True))

    def pull(self, i: int, grad_kept: Tensor, grad_changed: Tensor) -> tuple[Tensor, Tensor]:
        """Through the i-th coupling: gradients of what went out to those of what came in."""
        factors, constant, shrink = self._steps[i]
        self._grads.append(grad_changed)
        grad_kept = grad_kept + constant
        for grad, factor in zip(rows_of(grad_changed), factors.unbind(0), strict=True):
            grad_kept = torch.addcmul(grad_kept, grad, factor)
        return grad_kept, grad_changed * shrink

    def gradients(self) -> list[Tensor]:
        """The gradients of weights and biases, each by layer."""
        changed = torch.stack(self._grads)
        grad_s = torch.addcmul(self.grad_log_prob, changed, self.changed) * self.tanh_slope
        grad = torch.stack([grad_s, changed * self.shrink], 1).flatten(0, 2).unsqueeze(1)  # (nets and outputs, 1, N)
        shape = (self.couplings, 2, self.outputs)
        weights = [torch.bmm(grad, self.hidden[-1].mT).view(*shape, -1)]
        biases = [grad.sum(-1).view(*shape, 1)]
        *upper, first = self.slopes
        for layer, slope in zip(reversed(range(1, len(self.slopes))), upper, strict=True):
            scaled = slope.mul_(grad)
            weights.append(self._over_outputs(torch.bmm(scaled, self.hidden[layer - 1].mT)))
            biases.append(self._over_outputs(scaled.sum(-1, keepdim=True)))
        # The inputs have one or two rows, the slopes many: scale the inputs, and take the bias as a row of ones.
        kept = self.kept.unsqueeze(1).expand(-1, 2 * self.outputs, -1, -1).flatten(0, 1)
        both = self._over_outputs(torch.bmm(torch.cat([kept * grad, grad], 1), first.mT).mT)
        return [both[..., :-1], *reversed(weights), both[..., -1:], *reversed(biases)]

    def _by_output(self, nets: Tensor) -> Tensor:
        flat = nets.flatten(0, 1)
        return flat if self.outputs == 1 else flat.repeat_interleave(self.outputs, 0)

    def _over_outputs(self, grad: Tensor) -> Tensor:
        """Summed over a network's outputs: ``(couplings, 2, ...)``."""
        if self.outputs == 1:
            return grad.reshape(self.couplings, 2, *grad.shape[1:])
        return grad.reshape(self.couplings, 2, self.outputs, *grad.shape[1:]).sum(2)
