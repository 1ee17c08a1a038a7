"""The layers that every dense head shares."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMALL = 0.01


def branch(in_channels: int, bias: Sequence[float] | Float[Tensor, "P"], channels: int = 64) -> nn.Sequential:
    """``conv3x3(in, channels) -> ReLU -> conv1x1(P)``, which starts at `bias` whatever it sees.

    The last weights are small, so the first answers are the biases and little else.

    Args:
        in_channels: of the features.
        bias: ``(P,)``, where the raw values start.
        channels: of the layer between; CenterNet has 64 on DLA-34's small heads, 256 on the hourglass.
    """
    start = torch.as_tensor(bias, dtype=torch.get_default_dtype())
    last = nn.Conv2d(channels, len(start), 1)
    nn.init.normal_(last.weight, 0.0, SMALL)
    with torch.no_grad():
        assert last.bias is not None  # a convolution has one unless told otherwise
        last.bias.copy_(start)
    return nn.Sequential(nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU(inplace=True), last)


def full_precision(raw: Tensor) -> Tensor:
    """Half-precision values in float32: densities are never computed in less; float64 stays."""
    return raw if raw.dtype == torch.float64 else raw.float()


def only_labelled(target: Tensor, labelled: Tensor) -> Tensor:
    """`target` ``(..., K, D)`` with zeros where no label is: a NaN there would survive a mask in the gradient."""
    return torch.where(labelled[..., None], target, 0.0)


def with_gain(values: Tensor, gain: float) -> Tensor:
    """The same values; whatever gradient they are given reaches what is behind them `gain` times as large.

    >>> a = torch.tensor(2.0, requires_grad=True)
    >>> b = with_gain(a, 5.0).square()
    >>> b.backward()
    >>> b.item(), a.grad
    (4.0, tensor(20.))
    """
    return values + (gain - 1) * (values - values.detach())
