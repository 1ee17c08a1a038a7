"""From raw outputs to the mixture's scales, in cells."""

import math

from torch import Tensor
from torch.nn.functional import elu

SMALLEST, LARGEST = 1e-4, 1e5


class CellScale:
    """The mixture paper's modified ELU, or an exponential without a minimum.

    ``max(elu(raw) + offset, 1e-4)``: at least ``offset - 1``, linear where large. A component that explains few labels
    then cannot shrink onto them and make gradients that spoil the others. With ``offset=None`` it is ``exp(raw)`` from
    1e-4 to 1e5, which is as good as no minimum.

    Args:
        offset: 2 for the paper's minimum of one.

    >>> import torch
    >>> CellScale(2.0)(torch.tensor([-1e4, 0.0, 3.0])).tolist()
    [1.0, 2.0, 5.0]
    """

    def __init__(self, offset: float | None) -> None:
        if offset is not None and not 1 <= offset <= LARGEST:
            raise ValueError(f"expected a scale_offset of at least 1 (a minimum of 0) or None, found {offset}")
        self.offset = offset

    def __call__(self, raw: Tensor) -> Tensor:
        if self.offset is None:
            return raw.clamp(math.log(SMALLEST), math.log(LARGEST)).exp()
        return (elu(raw) + self.offset).clamp(SMALLEST, LARGEST)

    def raw(self, scale: float) -> float:
        """The raw value that gives `scale`, for initial biases.

        >>> import torch
        >>> round(float(CellScale(2.0)(torch.tensor(CellScale(2.0).raw(1.25)))), 6)
        1.25
        """
        if self.offset is None:
            return math.log(scale)
        above = scale - self.offset
        if above <= -1:
            raise ValueError(f"expected an initial scale above the minimum {self.offset - 1}, found {scale}")
        return above if above >= 0 else math.log1p(above)
