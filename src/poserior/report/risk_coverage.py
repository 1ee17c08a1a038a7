"""If only the most trusted keypoints are accepted, how many of those are wrong?"""

from collections.abc import Sequence

import numpy as np
import torch
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.metrics import risk_coverage
from poserior.report.method import Method
from poserior.report.svg import panel, series

POINTS = 101
WRONG = 0.5
"""A keypoint of a smaller OKS counts as wrong, as for the metric AURC."""


def risk_panel(methods: Sequence[Method]) -> Markup | None:
    """Share of wrong keypoints among the accepted, by confidence and by the oracle; None if nobody can be drawn."""
    known = [(method.index, *method.pairs) for method in methods if method.pairs is not None]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        for index, confidence, oks in reversed(known):
            three = risk_coverage(torch.from_numpy((oks < WRONG).astype(np.float64)), torch.from_numpy(confidence))
            accepted, risk, best = (curve.numpy() for curve in three)
            # the first few accepted are too few to be a share of anything
            first = min(accepted.size - 1, 9)
            chosen = np.linspace(first, accepted.size - 1, min(POINTS, accepted.size - first)).round().astype(int)
            axes[0].plot(accepted[chosen], best[chosen], color=series(index), linewidth=1.4, linestyle=(0, (3, 2)))
            axes[0].plot(accepted[chosen], risk[chosen], color=series(index))
        axes[0].set_xlim(0, 1)
        axes[0].set_ylim(0, None)
        axes[0].set_xlabel("share of keypoints accepted, most trusted first")
        axes[0].set_ylabel(f"share of the accepted that are wrong (OKS < {WRONG:g})")

    words = "Share of wrong keypoints among those accepted, by confidence and by the oracle"
    return panel(draw, "risk-coverage", words, size=(4.8, 4.2))
