"""The learned law of errors beside Laplace, Gaussian, the labels' actual errors and, where known, the true law."""

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.report.method import Method, array
from poserior.report.svg import AREA, INK, MUTED, panel, plain_log_ticks, series

REACH = 8.0
"""How many standard deviations the curves are drawn to."""
STEP = 0.02
"""Of the estimate's grid in ``u``."""
BEND = 3.0
"""The c of `density_curve`: where its grid bends from linear to logarithmic."""


def density_curve(
    draws: Float[np.ndarray, "M"], reach: float = REACH
) -> tuple[Float[np.ndarray, "X"], Float[np.ndarray, "X"]]:
    """Kernel density estimate whose width grows slowly with the distance from 0, so that thin tails are smooth.

    The draws are taken to ``u = c asinh(x / c)``, where a Gaussian kernel of Silverman's bandwidth estimates their
    density (by binning and convolution); back on the axis it is ``p(x) = p(u) / cosh(u / c)``. A smaller c would be
    smoother still, but make a Gaussian's tails look heavy: with c = 3 and 20,000 draws 1.3-fold at x = 4.

    Returns:
        Abscissae from -reach to reach (denser near 0) and the density there; its integral over the axis is the share
        of draws within the reach, but for what the kernel smears over the ends.
    """
    draws = BEND * np.arcsinh(draws[np.isfinite(draws)] / BEND)
    steps = int(np.ceil(BEND * np.arcsinh(reach / BEND) / STEP))
    edges = (np.arange(-steps, steps + 2) - 0.5) * STEP
    u = edges[:-1] + STEP / 2
    if draws.size == 0:
        return BEND * np.sinh(u / BEND), np.zeros_like(u)
    histogram = np.histogram(draws, edges)[0] / (draws.size * STEP)
    lower, upper = np.quantile(draws, [0.25, 0.75])
    spread = min(float(draws.std()), float(upper - lower) / 1.349) or float(draws.std()) or 1.0
    width = max(0.9 * spread * draws.size**-0.2, STEP)
    half = int(np.ceil(5 * width / STEP))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * STEP / width) ** 2)
    smooth = np.convolve(histogram, kernel / kernel.sum(), mode="full")[half : half + u.size]
    return BEND * np.sinh(u / BEND), smooth / np.cosh(u / BEND)


def laplace(x: Float[np.ndarray, "X"]) -> Float[np.ndarray, "X"]:
    """Laplace density of variance 1: scale ``1 / sqrt(2)``."""
    return np.asarray(np.exp(-np.sqrt(2.0) * np.abs(x)) / np.sqrt(2.0))


def gaussian(x: Float[np.ndarray, "X"]) -> Float[np.ndarray, "X"]:
    """Gaussian density of variance 1."""
    return np.asarray(np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi))


def density_panels(method: Method) -> list[Markup]:
    """The law on a linear and on a logarithmic axis; empty where the method has no draws of it."""
    e = method.evaluation
    if e.error_draws is None:
        return []
    learned = array(e.error_draws)
    actual = None if e.errors is None else array(e.errors)
    true = None if e.label_draws is None else array(e.label_draws)
    panels = []
    for log in (False, True):

        def draw(axes: list[Axes], log: bool = log) -> None:
            _draw(axes[0], learned, actual, true, method.index, log)

        words = "on a logarithmic axis, for the tails" if log else "on a linear axis, for the peak"
        panels.append(
            panel(draw, f"density-{log}", f"Density of the standardised error that {method.name} learned, {words}")
        )
    return panels


def _draw(
    axes: Axes,
    learned: Float[np.ndarray, "M"],
    actual: Float[np.ndarray, "E"] | None,
    true: Float[np.ndarray, "L"] | None,
    index: int,
    log: bool,
) -> None:
    x = np.linspace(-REACH, REACH, 401)
    if actual is not None and actual.size:
        width = 0.5 if log else 0.25
        edges = np.arange(-REACH, REACH + width / 2, width)
        counts = np.histogram(actual[np.isfinite(actual)], edges)[0]
        axes.stairs(counts / (max(actual.size, 1) * width), edges, fill=True, color=AREA, alpha=1.0)
    axes.plot(x, gaussian(x), color=MUTED, linewidth=1.3, linestyle=(0, (1, 1.6)))
    axes.plot(x, laplace(x), color=MUTED, linewidth=1.3, linestyle=(0, (5, 2)))
    if true is not None:
        axes.plot(*_supported(true), color=INK, linewidth=1.6)
    axes.plot(*_supported(learned), color=series(index), linewidth=2.4)
    axes.set_xlabel("error along one axis, in predicted standard deviations")
    axes.set_ylabel("density" + (" (logarithmic)" if log else ""))
    if log:
        axes.set_yscale("log")
        axes.set_ylim(1e-4, 2.0)
        axes.set_xlim(-REACH, REACH)
        plain_log_ticks(axes, "y")
    else:
        axes.set_xlim(-4, 4)
        axes.set_ylim(0, None)


def _supported(draws: Float[np.ndarray, "M"]) -> tuple[Float[np.ndarray, "X"], Float[np.ndarray, "X"]]:
    """The curve where at least about three draws carry it; beyond, an estimate would be invention."""
    x, y = density_curve(draws)
    poor = np.flatnonzero(y * draws.size * 0.25 * np.hypot(1, x / BEND) < 3)
    peak = int(np.argmax(y))
    first = poor[poor < peak].max(initial=-1) + 1
    last = poor[poor > peak].min(initial=x.size)
    return x[first:last], y[first:last]
