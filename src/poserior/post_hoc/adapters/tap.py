"""Reading what one layer of a foreign network receives or returns, without touching the network."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """While it is open, the first argument of every call of `layer` is appended to the list."""
    caught: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        caught.append(arguments[0].detach())

    handle = layer.register_forward_pre_hook(keep)
    try:
        yield caught
    finally:
        handle.remove()
