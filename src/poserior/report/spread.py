"""Is the error as large as the predicted spread says? Both in pixels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.report.method import Method
from poserior.report.svg import MUTED, marker, panel, plain_log_ticks, series

BINS = 12
DOTS = 500


def binned_root_mean_square(
    expected: Float[np.ndarray, "P"], error: Float[np.ndarray, "P"], bins: int = BINS
) -> tuple[Float[np.ndarray, "X"], Float[np.ndarray, "X"]]:
    """Root mean square of both in groups of equal size, sorted by `expected`; equal if the spread is honest."""
    order = np.argsort(expected, kind="stable")
    groups = [group for group in np.array_split(order, bins) if group.size]
    square = [(np.mean(expected[group] ** 2), np.mean(error[group] ** 2)) for group in groups]
    both = np.sqrt(np.array(square, dtype=np.float64).reshape(-1, 2))
    return both[:, 0], both[:, 1]


def spread_panel(methods: Sequence[Method]) -> Markup | None:
    """Predicted against actual root mean square error; None if no method has a covariance."""
    known = [(method, *pair) for method in methods if (pair := _pair(method)) is not None]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        method, expected, error = known[0]
        chosen = np.linspace(0, expected.size - 1, min(DOTS, expected.size)).astype(int)
        axes[0].plot(expected[chosen], error[chosen], ".", color=series(method.index), markersize=2.5, alpha=0.25)
        curves = [(method.index, *binned_root_mean_square(x, y)) for method, x, y in known]
        ends = np.concatenate([x for _, x, _ in curves])
        low, high = max(float(ends.min()) * 0.6, 1e-3), float(ends.max()) * 1.6
        axes[0].plot([low, high], [low, high], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for index, x, y in reversed(curves):
            axes[0].plot(x, y, color=series(index), marker=marker(index))
        axes[0].set_xscale("log")
        axes[0].set_yscale("log")
        axes[0].set_xlim(low, high)
        axes[0].set_ylim(min(low, float(min(y.min() for _, _, y in curves)) * 0.6), None)
        plain_log_ticks(axes[0], "x")
        plain_log_ticks(axes[0], "y")
        axes[0].set_xlabel("error the density expects (root mean square, px)")
        axes[0].set_ylabel("actual error (px)")

    return panel(draw, "spread", "Predicted against actual error in pixels, on logarithmic axes", size=(4.8, 4.2))


def _pair(method: Method) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P"]] | None:
    if method.expected_error is None:
        return None
    expected, error = method.expected_error[method.labelled], method.error[method.labelled]
    usable = np.isfinite(expected) & (expected > 0) & np.isfinite(error)
    return (expected[usable], np.maximum(error[usable], 1e-3)) if usable.any() else None
