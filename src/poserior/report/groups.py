"""Where is the confidence right? Reliability by person size; calibration and ranking by size and by keypoint."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.metrics import ause, ece, reliability, size_groups
from poserior.report.method import Method
from poserior.report.per_keypoint import readable
from poserior.report.svg import MUTED, marker, panel, series

BINS = 10


@dataclass(frozen=True)
class Group:
    """Some of a method's labelled keypoints.

    Attributes:
        title: what they have in common.
        confidence: of each.
        oks: of each.
    """

    title: str
    confidence: Float[np.ndarray, "P"]
    oks: Float[np.ndarray, "P"]

    @property
    def ece(self) -> float:
        """Mean gap of confidence and OKS; not a number for nobody."""
        return float(ece(torch.from_numpy(self.confidence), torch.from_numpy(self.oks)))

    @property
    def ause(self) -> float:
        """Area between the sparsification curves of ``1 - OKS``; not a number for nobody."""
        return float(ause(torch.from_numpy(1 - self.oks), torch.from_numpy(self.confidence)))


def size_parts(method: Method) -> list[Group]:
    """The people in thirds by size; empty if all are of one size or a confidence is not in [0, 1]."""
    if method.pairs is None:
        return []
    counted = torch.from_numpy(method.labelled.any(1))
    parts = size_groups(method.evaluation.area.cpu(), counted).items()
    return [
        _group(f"{name}, {low:.0f} to {high:.0f} px", method, members.numpy()[:, None])
        for name, (members, low, high) in parts
    ]


def keypoint_parts(method: Method) -> list[Group]:
    """One group per keypoint; empty if a confidence is not in [0, 1]."""
    if method.pairs is None:
        return []
    names = method.evaluation.skeleton.keypoints
    return [_group(readable(name), method, np.arange(len(names)) == k) for k, name in enumerate(names)]


def _group(title: str, method: Method, mask: np.ndarray) -> Group:
    chosen = method.labelled & np.isfinite(method.confidence) & np.isfinite(method.oks) & mask
    return Group(title, method.confidence[chosen], method.oks[chosen])


def reliability_by_size(methods: Sequence[Method]) -> Markup | None:
    """A reliability diagram for each third of the people by size, side by side; None if they are of one size."""
    known = [(method.index, parts) for method in methods if (parts := size_parts(method))]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        for chart, titles in zip(axes, zip(*(parts for _, parts in known), strict=True), strict=True):
            chart.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
            for (index, _), part in reversed(list(zip(known, titles, strict=True))):
                points = reliability(torch.from_numpy(part.confidence), torch.from_numpy(part.oks), bins=BINS)
                share = points.count.numpy() / max(points.count.sum().item(), 1)
                full = share > 0
                x, y = points.confidence.numpy()[full], points.accuracy.numpy()[full]
                chart.plot(x, y, color=series(index), linewidth=1.6)
                chart.scatter(x, y, s=10 + 120 * share[full], color=series(index), marker=marker(index), linewidths=0)
            chart.set_xlim(0, 1)
            chart.set_ylim(0, 1)
            chart.set_title(titles[0].title, fontsize=9.5)
        axes[0].set_ylabel("mean OKS reached")
        axes[len(axes) // 2].set_xlabel("confidence (expected OKS)")

    words = "Confidence against the OKS reached, of small, medium and large people"
    return panel(draw, "reliability-size", words, size=(9.8, 3.6), heights=(1.0,) * len(known[0][1]), across=True)


def by_size_panel(methods: Sequence[Method]) -> Markup | None:
    """ECE and AUSE of each third of the people by size; None if they are of one size."""
    return _dots([(method.index, size_parts(method)) for method in methods], "groups-size", "person size")


def by_keypoint_panel(methods: Sequence[Method]) -> Markup | None:
    """ECE and AUSE of each keypoint; None if nobody can be drawn."""
    return _dots([(method.index, keypoint_parts(method)) for method in methods], "groups-keypoint", "keypoint")


def _dots(all_parts: Sequence[tuple[int, list[Group]]], name: str, what: str) -> Markup | None:
    known = [(index, parts) for index, parts in all_parts if parts]
    if not known:
        return None
    titles = [part.title.replace(", ", "\n") for part in known[0][1]]
    rows = np.arange(len(titles))[::-1]
    offsets = (np.arange(len(known)) - (len(known) - 1) / 2) * min(0.24, 0.7 / len(known))

    def draw(axes: list[Axes]) -> None:
        for offset, (index, parts) in zip(offsets, known, strict=True):
            color = series(index)
            for chart, values in zip(axes, ([part.ece for part in parts], [part.ause for part in parts]), strict=True):
                chart.hlines(rows - offset, 0, np.nan_to_num(values), color=color, linewidth=1.2, alpha=0.5)
                chart.plot(values, rows - offset, marker(index), color=color, markersize=5)
        for chart, label in zip(axes, ("ECE", "AUSE"), strict=True):
            chart.set_yticks(rows, titles)
            chart.set_ylim(-0.7, len(titles) - 0.3)
            chart.set_xlim(0, None)
            chart.set_xlabel(label)
            chart.tick_params(axis="y", length=0)
            chart.spines["left"].set_visible(False)
            chart.locator_params(axis="x", nbins=4)

    height = 1.0 + (0.24 if len(titles) > 3 else 0.8) * len(titles)
    return panel(draw, name, f"ECE and AUSE by {what}", size=(4.8, height), heights=(1.0, 1.0), across=True)
