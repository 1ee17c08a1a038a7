"""If the least trusted points are thrown away, do the rest get better? Confidence beside a perfect oracle."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.metrics import sparsification
from poserior.report.method import Method
from poserior.report.svg import panel, series

POINTS = 101


def curves(
    confidence: Float[np.ndarray, "P"], oks: Float[np.ndarray, "P"]
) -> tuple[Float[np.ndarray, "X"], Float[np.ndarray, "X"], Float[np.ndarray, "X"]]:
    """Share removed, mean ``1 - OKS`` of the rest by confidence and by the oracle, at no more than `POINTS` shares."""
    three = sparsification(torch.from_numpy(1 - oks), torch.from_numpy(confidence))
    removed, by_confidence, by_oracle = (curve.numpy() for curve in three)
    chosen = np.linspace(0, removed.size - 1, min(POINTS, removed.size)).round().astype(int)
    return removed[chosen], by_confidence[chosen], by_oracle[chosen]


def sparsification_panel(methods: Sequence[Method]) -> Markup | None:
    """Mean ``1 - OKS`` of the keypoints kept against the share removed; None without any labels or with
    confidences outside [0, 1] only.
    """
    known = [(method.index, curves(*method.pairs)) for method in methods if method.pairs is not None]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        for index, (removed, by_confidence, by_oracle) in reversed(known):
            color = series(index)
            axes[0].plot(removed, by_oracle, color=color, linewidth=1.4, linestyle=(0, (3, 2)))
            axes[0].plot(removed, by_confidence, color=color)
        axes[0].set_xlim(0, 1)
        axes[0].set_ylim(0, None)
        axes[0].set_xlabel("share of keypoints removed, least trusted first")
        axes[0].set_ylabel("mean 1 \N{MINUS SIGN} OKS of those kept")

    return panel(
        draw,
        "sparsification",
        "Error of the kept keypoints against the share removed, by confidence and by the oracle",
        size=(4.8, 4.2),
    )
