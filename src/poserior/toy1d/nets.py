"""Many small nets as one tensor: a row of numbers is a net, and every layer is one batched product over all nets.

Features lie as ``(nets, channels, points)``: with so few channels the long axis has to be the contiguous one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor

HIDDEN = 10


@dataclass(frozen=True)
class Part:
    """One array of a net's parameters: its shape, and how a fresh net draws it."""

    shape: tuple[int, ...]
    draw: Callable[[Generator], Tensor]


def linear(inputs: int, outputs: int) -> list[Part]:
    """Weight and bias of a fully connected layer, uniform within ``1 / sqrt(inputs)`` as in `torch.nn.Linear`."""
    bound = 1 / math.sqrt(inputs)

    def uniform(*shape: int) -> Part:
        return Part(shape, lambda generator: bound * (2 * torch.rand(shape, generator=generator) - 1))

    return [uniform(outputs, inputs), uniform(outputs, 1)]


def constant(values: Tensor) -> Part:
    """Parameters that start at the same values in all nets."""
    return Part(tuple(values.shape), lambda _: values)


def fresh(parts: Sequence[Part], generators: Sequence[Generator]) -> Float[Tensor, "N P"]:
    """A row of parameters for each generator."""
    return torch.stack([torch.cat([part.draw(each).flatten() for part in parts]) for each in generators])


def unpack(parts: Sequence[Part], rows: Float[Tensor, "N P"]) -> list[Tensor]:
    """The rows as arrays ``(nets, *shape)``, in the order of the parts."""
    pieces = rows.split_with_sizes([math.prod(part.shape) for part in parts], dim=1)
    return [piece.reshape(-1, *part.shape) for piece, part in zip(pieces, parts, strict=True)]


def dense(weight: Tensor, bias: Tensor, features: Float[Tensor, "N C P"]) -> Tensor:
    """A fully connected layer of every net: ``(N, C, P)`` to ``(N, C', P)``."""
    return torch.baddbmm(bias, weight, features)


def features_of_x(parameters: Sequence[Tensor], x: Float[Tensor, "N P"]) -> Float[Tensor, "N C P"]:
    """The branch of x: two ReLU layers, from the first four arrays."""
    first, second = parameters[:2], parameters[2:4]
    hidden = dense(first[0], first[1], x[:, None]).relu()
    return dense(second[0], second[1], hidden).relu()


def parts_of_x() -> list[Part]:
    """What `features_of_x` takes."""
    return [*linear(1, HIDDEN), *linear(HIDDEN, HIDDEN)]
