"""Operations of torch that the exporter does not know, or knows too roughly, written in ONNX's.

The functions take the exporter's values; what they return is built into the graph. Names and defaults of their
parameters are those of torch's operations.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from onnxscript import opset20 as op
from scipy import special

DEGREE = 14


def erfcx(self: Any) -> Any:
    """``exp(x^2) erfc(x)``; the exporter's own product is 0 times infinity from x = 4 on, and wrong before.

    With ``t = 1 / (1 + |x| / 2)`` it is t times a power of e that is nearly a parabola in t: a Chebyshev fit of that
    power, whose relative error is below 3e-7 in single precision. On the left ``2 exp(x^2)`` minus the mirror image.
    """
    distance = op.Abs(self)
    one, half, two = (op.CastLike(op.Constant(value_float=value), self) for value in (1.0, 0.5, 2.0))
    share = op.Div(one, op.Add(one, op.Mul(half, distance)))
    place = op.Sub(op.Mul(two, share), one)
    power = op.CastLike(op.Constant(value_float=0.0), self)
    for coefficient in reversed(_erfcx_powers()):
        power = op.Add(op.Mul(power, place), op.CastLike(op.Constant(value_float=coefficient), self))
    right = op.Mul(share, op.Exp(power))
    left = op.Sub(op.Mul(two, op.Exp(op.Mul(self, self))), right)
    return op.Where(op.Less(self, op.Sub(one, one)), left, right)


@cache
def _erfcx_powers() -> list[float]:
    """Coefficients in powers of ``2 t - 1``."""

    def power(place: Any) -> Any:
        share = (place + 1) / 2
        return np.log(special.erfcx(2 / share - 2) / share)

    fit = np.polynomial.chebyshev.chebinterpolate(power, DEGREE)
    return [float(value) for value in np.polynomial.chebyshev.cheb2poly(fit)]


def searchsorted(
    sorted_sequence: Any,
    self: Any,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """How many of the sorted values ``(*B, N)`` lie below (`right`: not above) each asked one, by bisection."""
    if out_int32 or side is not None or sorter is not None:
        raise NotImplementedError("searchsorted with out_int32, side or sorter")
    count = int(sorted_sequence.shape[-1])
    whole = op.Constant(value_int=count)
    found = op.Mul(op.Shape(self, start=0, end=1), op.Constant(value_ints=[0]))
    found = op.Expand(found, op.Shape(self))
    step = 1 << max(count.bit_length() - 1, 0)
    while step:
        tried = op.Add(found, op.Constant(value_int=step))
        index = op.Sub(op.Min(tried, whole), op.Constant(value_int=1))
        if len(sorted_sequence.shape) == len(self.shape):
            value = op.GatherElements(sorted_sequence, index, axis=-1)
        else:
            value = op.Gather(sorted_sequence, index, axis=0)
        below = op.LessOrEqual(value, self) if right else op.Less(value, self)
        found = op.Where(op.And(op.LessOrEqual(tried, whole), below), tried, found)
        step //= 2
    return found


def gammainc(self: Any, other: Any) -> Any:
    """The regularised lower incomplete gamma function P(a, x) for a = 1/2, 1, ... 3; no number for other a.

    Source of the recurrence ``P(a + 1, x) = P(a, x) - x^a e^-x / Gamma(a + 1)``: DLMF 8.8.5.
    """
    decay = op.Exp(op.Neg(other))
    one = op.CastLike(op.Constant(value_float=1.0), other)
    orders = {0.5: op.Erf(op.Sqrt(other)), 1.0: op.Sub(one, decay)}
    for order in (0.5, 1.0, 1.5, 2.0):
        factor = op.CastLike(op.Constant(value_float=1 / math.gamma(order + 1)), other)
        power = op.Pow(other, op.CastLike(op.Constant(value_float=order), other))
        orders[order + 1] = op.Sub(orders[order], op.Mul(factor, op.Mul(power, decay)))
    value = op.CastLike(op.Constant(value_float=math.nan), other)
    for order, result in orders.items():
        value = op.Where(op.Equal(self, op.CastLike(op.Constant(value_float=order), self)), result, value)
    return value


def lgamma(self: Any) -> Any:
    """``log Gamma(x)`` for x > 0: Stirling's series at x + 6, less ``log(x (x + 1) ... (x + 5))``."""

    def number(value: float) -> Any:
        return op.CastLike(op.Constant(value_float=value), self)

    below = self
    for shift in range(1, 6):
        below = op.Mul(below, op.Add(self, number(float(shift))))
    far = op.Add(self, number(6.0))
    inverse = op.Div(number(1.0), far)
    square = op.Mul(inverse, inverse)
    series = op.Add(number(-1 / 360), op.Mul(square, number(1 / 1260)))
    tail = op.Mul(inverse, op.Add(number(1 / 12), op.Mul(square, series)))
    stirling = op.Add(op.Sub(op.Mul(op.Sub(far, number(0.5)), op.Log(far)), far), number(0.5 * math.log(2 * math.pi)))
    return op.Sub(op.Add(stirling, tail), op.Log(below))


_aten: Any = torch.ops.aten
TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    _aten.special_erfcx.default: erfcx,
    _aten.searchsorted.Tensor: searchsorted,
    _aten.special_gammainc.default: gammainc,
    _aten.lgamma.default: lgamma,
}
