"""Does a confidence of 0.8 mean an OKS of 0.8? Of keypoints in a reliability diagram, of people one by one."""

from collections.abc import Sequence

import numpy as np
import torch
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.metrics import reliability
from poserior.report.method import Method
from poserior.report.svg import FILLED, MUTED, marker, panel, series

BINS = 10
"""As many as the metric ECE has."""
PEOPLE = 400


def reliability_panel(methods: Sequence[Method]) -> Markup | None:
    """Mean OKS reached per bin of confidence, above the histogram of confidences.

    Methods whose confidences leave [0, 1] are passed over; None if nobody is left.
    """
    known = [(method.index, *method.pairs) for method in methods if method.pairs is not None]
    words = "Confidence against the OKS reached, with the histogram of confidences below"
    return diagram(known, "reliability", words, "confidence (expected OKS)", "mean OKS reached")


def diagram(
    known: Sequence[tuple[int, np.ndarray, np.ndarray]],
    name: str,
    words: str,
    said: str,
    found: str,
    top_end: float = 1,
) -> Markup | None:
    """What was reached per bin of what was said, above the histogram of what was said; None if nobody said anything.

    Args:
        known: a method's number, what it said in [0, 1], what was reached.
        name: the figure's.
        words: the figure in a sentence, for those who do not see it.
        said: the horizontal axis's label.
        found: the vertical one's.
        top_end: where the vertical axis ends.
    """
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        top, bottom = axes
        top.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for index, confidence, reached in reversed(known):
            points = reliability(torch.from_numpy(confidence), torch.from_numpy(reached), bins=BINS)
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
        top.set_ylim(0, top_end)
        top.set_ylabel(found)
        bottom.set_ylabel("share")
        bottom.set_ylim(0, None)
        bottom.locator_params(axis="y", nbins=3)
        bottom.set_xlabel(said)

    return panel(draw, name, words, size=(4.8, 4.2), heights=(3.0, 1.0))


def people_panel(methods: Sequence[Method]) -> Markup | None:
    """A mark for each person, mean confidence of the labelled keypoints against OKS, of the first two methods.

    None if nobody can be drawn.
    """
    known = [method for method in methods if method.pairs is not None][:2]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        axes[0].plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for method in reversed(known):
            people = np.flatnonzero(np.isfinite(method.person_oks) & np.isfinite(method.person_confidence))
            chosen = people[np.linspace(0, people.size - 1, min(PEOPLE, people.size)).astype(int)]
            axes[0].scatter(
                method.person_confidence[chosen],
                method.person_oks[chosen],
                s=13,
                color=series(method.index),
                marker=marker(method.index),
                alpha=0.45,
                linewidths=0,
            )
        axes[0].set_xlim(0, 1)
        axes[0].set_ylim(0, 1)
        axes[0].set_xlabel("mean confidence of the person's keypoints")
        axes[0].set_ylabel("OKS of the person")

    return panel(draw, "people", "Mean confidence against OKS of each person", size=(4.8, 4.2))
