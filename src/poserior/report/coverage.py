"""Do p % of the labels lie in the predicted p % region? Coverage curve and histogram of credible levels (PIT)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.report.method import Method
from poserior.report.svg import AREA, FILLED, MUTED, panel, series

BINS = 20


def coverage_curve(levels: Float[np.ndarray, "L"], probabilities: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P"]:
    """Share of labels whose credible level is at most p; the diagonal if the density is true."""
    return np.searchsorted(np.sort(levels), probabilities, side="right") / max(levels.size, 1)


def coverage_panels(methods: Sequence[Method]) -> list[Markup]:
    """Coverage curve and histogram of levels of all methods that have a density; empty if none has."""
    known = [(method.index, method.levels) for method in methods if method.levels is not None and method.levels.size]
    if not known:
        return []

    def curve(axes: list[Axes]) -> None:
        nominal = np.linspace(0, 1, 101)
        axes[0].plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for index, levels in reversed(known):  # the first method lies on top
            axes[0].plot(nominal, coverage_curve(levels, nominal), color=series(index))
        axes[0].set_xlim(0, 1)
        axes[0].set_ylim(0, 1)
        axes[0].set_xlabel("probability the region promises")
        axes[0].set_ylabel("share of labels inside it")

    def histogram(axes: list[Axes]) -> None:
        chance = 1.96 * np.sqrt((BINS - 1) / max(levels.size for _, levels in known))
        axes[0].axhspan(1 - chance, 1 + chance, color=AREA, alpha=0.6, linewidth=0)
        axes[0].axhline(1.0, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for index, levels in reversed(known):  # the first method lies on top
            counts, edges = np.histogram(levels, BINS, (0.0, 1.0))
            axes[0].stairs(counts * BINS / levels.size, edges, color=series(index), linewidth=2.0)
            if len(known) <= FILLED:
                axes[0].stairs(counts * BINS / levels.size, edges, color=series(index), fill=True, alpha=0.1)
        axes[0].set_xlim(0, 1)
        axes[0].set_ylim(0, None)
        axes[0].set_xlabel("credible level of the label (0: at the mode, 1: far out)")
        axes[0].set_ylabel("density (1 is right)")

    return [
        panel(curve, "coverage", "Promised against actual coverage of the predicted regions"),
        panel(histogram, "levels", "Histogram of the labels' credible levels; flat at 1 if the density is true"),
    ]
