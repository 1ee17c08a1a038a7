"""What is the score worth? AP of the same people with a constant, a random, the own and a perfect score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.report.method import Method
from poserior.report.svg import panel, series
from poserior.report.tables import as_number

BARS = (("AP_constant", "constant"), ("AP_random", "random"), ("AP", "own"), ("AP_oracle", "perfect"))


def _values(metrics: Mapping[str, Any]) -> list[float] | None:
    values = [as_number(metrics.get(key)) for key, _ in BARS]
    return None if any(value is None for value in values) else [value for value in values if value is not None]


def ranking_panel(methods: Sequence[Method]) -> Markup | None:
    """Four bars per method, the own score's filled; None if no method has the four numbers, or all are 0."""
    known = [(method.index, values) for method in methods if (values := _values(method.metrics)) is not None]
    if not known or not any(any(values) for _, values in known):
        return None

    def draw(axes: list[Axes]) -> None:
        wide = 0.8 / len(known)
        size = 9 if len(known) < 3 else 7
        for place, (index, values) in enumerate(known):
            x = np.arange(len(BARS)) + (place - (len(known) - 1) / 2) * wide
            color = series(index)
            for k, (at, value) in enumerate(zip(x, values, strict=True)):
                own = BARS[k][0] == "AP"
                axes[0].bar(at, value, 0.9 * wide, color=color, alpha=1.0 if own else 0.3, linewidth=0)
                if BARS[k][0] == "AP_oracle":
                    axes[0].bar(at, value, 0.9 * wide, facecolor="none", edgecolor=color, linewidth=1.4)
                if len(known) <= 4:
                    axes[0].annotate(
                        f"{value:.3f}", (at, value), (0, 2), textcoords="offset points", ha="center", fontsize=size
                    )
        axes[0].set_xticks(np.arange(len(BARS)), [text for _, text in BARS])
        axes[0].tick_params(axis="x", length=0)
        axes[0].grid(False, axis="x")
        axes[0].set_ylim(0, max(0.05, 1.1 * max(max(values) for _, values in known)))
        axes[0].set_xlabel("score of the people")
        axes[0].set_ylabel("AP")

    return panel(draw, "ranking", "AP with a constant, a random, the own and a perfect score", size=(4.8, 4.2))
