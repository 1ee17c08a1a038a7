"""Does a visibility of 0.8 mean that 8 of 10 such keypoints are labelled?"""

from collections.abc import Sequence

import numpy as np
import torch
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.metrics import reliability
from poserior.report.method import Method, array
from poserior.report.svg import FILLED, MUTED, marker, panel, series

BINS = 10


def visibility_panel(methods: Sequence[Method]) -> Markup | None:
    """Share of labelled keypoints per bin of predicted visibility, above its histogram; None without any."""
    known = [
        (m.index, array(m.evaluation.visibility), m.labelled) for m in methods if m.evaluation.visibility is not None
    ]
    known = [(index, preds[seen.any(1)], seen[seen.any(1)]) for index, preds, seen in known if seen.any()]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        top, bottom = axes
        top.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for index, preds, seen in reversed(known):
            points = reliability(torch.from_numpy(preds), torch.from_numpy(seen.astype(np.float64)), bins=BINS)
            share = points.count.numpy() / points.count.sum().item()
            full = share > 0
            x, y = points.confidence.numpy()[full], points.accuracy.numpy()[full]
            top.plot(x, y, color=series(index), linewidth=1.6)
            top.scatter(x, y, s=12 + 160 * share[full], color=series(index), marker=marker(index), linewidths=0)
            edges = np.linspace(0, 1, BINS + 1)
            bottom.stairs(share, edges, color=series(index), linewidth=1.8)
            if len(known) <= FILLED:
                bottom.stairs(share, edges, color=series(index), fill=True, alpha=0.12)
        top.set_xlim(0, 1)
        top.set_ylim(0, 1.03)
        top.set_ylabel("share that is labelled")
        bottom.set_ylabel("share")
        bottom.set_ylim(0, None)
        bottom.locator_params(axis="y", nbins=3)
        bottom.set_xlabel("predicted visibility")

    words = "Predicted visibility against the share of keypoints that are labelled, with its histogram below"
    return panel(draw, "visibility", words, size=(4.8, 4.2), heights=(3.0, 1.0))
