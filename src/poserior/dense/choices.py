"""Which point of a density with several modes is the answer."""

from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from poserior.dense.heads import DenseHead
from poserior.distributions import Distribution

Choice = Literal["best", "mean", "bishop"]


def choose(
    head: DenseHead,
    distribution: Distribution,
    choice: Choice = "best",  # noqa: ARG001  # the only one so far
) -> tuple[Int[Tensor, "*L"], Float[Tensor, "*L K 2"]]:
    """The answering mode's number and its points: the heaviest mode's."""
    component = head.weights(distribution).argmax(-1)
    modes = head.modes(distribution)
    index = component[..., None, None, None].expand(*component.shape, 1, *modes.shape[-2:])
    return component, modes.gather(-3, index).squeeze(-3)
