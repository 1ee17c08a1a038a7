"""What the trainer and the measurement know of a head."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Generator, Tensor

from poserior.toy1d.nets import Part


class Head1d(ABC):
    """A conditional density of one number given one number, for many nets at once.

    Attributes:
        parts: the parameters of one net.
    """

    parts: list[Part]

    @abstractmethod
    def loss(
        self, parameters: Sequence[Tensor], x: Float[Tensor, "N B"], y: Float[Tensor, "N B"], generator: Generator
    ) -> Float[Tensor, "N B"]:
        """The training loss of every net on points of its own.

        Args:
            parameters: `parts` as arrays ``(nets, *shape)``.
            x: given.
            y: to be told.
            generator: for draws; all nets share them, so that a net's training does not depend on the others.
        """

    @abstractmethod
    def log_density(
        self, parameters: Sequence[Tensor], x: Float[Tensor, "X"], y: Float[Tensor, "Y"]
    ) -> Float[Tensor, "N X Y"]:
        """``log p(y | x)`` at all pairs, up to a constant for each net and x."""
