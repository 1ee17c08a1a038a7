"""Which keypoints are hard, and does the method know? Accuracy, error and expected error of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.report.method import Method
from poserior.report.svg import marker, panel, series


@dataclass(frozen=True)
class KeypointNumbers:
    """One method's means over the labelled occurrences of each of K keypoints; not a number where there are none.

    Attributes:
        count: labelled occurrences.
        oks: mean OKS.
        confidence: mean confidence.
        error: mean distance in pixels.
        expected_error: root mean square error that the density expects, in pixels; None without a covariance.
    """

    count: np.ndarray
    oks: Float[np.ndarray, "K"]
    confidence: Float[np.ndarray, "K"]
    error: Float[np.ndarray, "K"]
    expected_error: Float[np.ndarray, "K"] | None


def keypoint_numbers(method: Method) -> KeypointNumbers:
    """Means over people, keypoint by keypoint."""

    def mean(values: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "K"]:
        mask = method.labelled & np.isfinite(values)
        count = mask.sum(0)
        return np.where(count > 0, np.where(mask, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)

    expected = method.expected_error
    return KeypointNumbers(
        method.labelled.sum(0),
        mean(method.oks),
        mean(method.confidence),
        mean(method.error),
        None if expected is None else np.sqrt(mean(expected**2)),
    )


def readable(keypoint: str) -> str:
    """``left_elbow`` as people write it.

    >>> readable("left_elbow")
    'left elbow'
    """
    return keypoint.replace("_", " ")


def keypoint_panels(methods: Sequence[Method]) -> list[Markup]:
    """A dot per keypoint and method: mean OKS (with the confidence as a hollow dot), and error in pixels."""
    numbers = [(method.index, keypoint_numbers(method)) for method in methods]
    names = [readable(name) for name in methods[0].evaluation.skeleton.keypoints]
    rows = np.arange(len(names))[::-1]
    offsets = (np.arange(len(methods)) - (len(methods) - 1) / 2) * min(0.24, 0.7 / len(methods))

    def frame(axes: Axes, label: str) -> None:
        axes.set_yticks(rows, names)
        axes.set_ylim(-0.7, len(names) - 0.3)
        axes.set_xlabel(label)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)

    def draw_oks(axes: list[Axes]) -> None:
        for offset, (index, n) in zip(offsets, numbers, strict=True):
            _dumbbells(axes[0], n.oks, n.confidence, rows - offset, index)
        frame(axes[0], "OKS reached (filled), confidence (hollow)")

    def draw_error(axes: list[Axes]) -> None:
        for offset, (index, n) in zip(offsets, numbers, strict=True):
            other = n.error if n.expected_error is None else n.expected_error
            _dumbbells(axes[0], n.error, other, rows - offset, index)
        frame(axes[0], "mean error (filled), expected error (hollow), px")
        axes[0].set_xlim(0, None)

    size = (4.8, 1.0 + 0.24 * len(names))
    return [
        panel(draw_oks, "keypoint-oks", "Mean OKS and mean confidence of each keypoint", size=size),
        panel(draw_error, "keypoint-error", "Mean error and expected error of each keypoint in pixels", size=size),
    ]


def _dumbbells(
    axes: Axes, filled: Float[np.ndarray, "K"], hollow: Float[np.ndarray, "K"], rows: np.ndarray, index: int
) -> None:
    color = series(index)
    axes.hlines(rows, np.fmin(filled, hollow), np.fmax(filled, hollow), color=color, linewidth=1.2, alpha=0.5)
    shape = marker(index)
    axes.plot(hollow, rows, shape, color=color, markerfacecolor="none", markersize=5, markeredgewidth=1.2)
    axes.plot(filled, rows, shape, color=color, markersize=5, markeredgewidth=1.2)
