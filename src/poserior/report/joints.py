"""The page of `analyses.joint_errors`: is one law of errors enough for all keypoints?"""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.analyses import JointErrors
from poserior.report.density import density_curve
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.per_keypoint import readable
from poserior.report.svg import AREA, MUTED, panel, series

ACROSS = 4
"""Small pictures in a row."""


def flow_sections(runs: Mapping[str, JointErrors]) -> list[Section]:
    """A section per run."""
    return [_section(i, name, result) for i, (name, result) in enumerate(runs.items())]


def flow_lead(runs: Mapping[str, JointErrors]) -> str:
    """What laws of their own win, run by run."""
    parts = []
    for name, result in runs.items():
        (moved, moved_error), (own, own_error) = result.mean_gains["moved"], result.mean_gains["own"]
        verdict = "do not share one law" if own > 2 * own_error else "may well share one law"
        parts.append(
            f"{name}: the keypoints {verdict}. On people not fitted to, moving and scaling the shared law for each"
            f" keypoint wins {moved:.3f} ± {moved_error:.3f} nats per keypoint, a law of its own for each"
            f" {own:.3f} ± {own_error:.3f}."
        )
    return " ".join(parts)


def _section(index: int, name: str, result: JointErrors) -> Section:
    color = f"series-{index % 6 + 1}"
    names = [readable(keypoint) for keypoint in result.skeleton.keypoints]
    rows = [
        [
            names[k],
            str(int(result.count[k])),
            *(write_number(float(part[k, d])) for part in (result.mean, result.std, result.skew, result.kurtosis)
              for d in (0, 1)),
            write_number(float(result.nll[k]), 3),
            write_number(float(result.shared_nll[k]), 3),
            _gain(float(result.moved_gain[k]), float(result.moved_gain_error[k])),
            _gain(float(result.own_gain[k]), float(result.own_gain_error[k])),
        ]
        for k in range(len(names))
    ]  # fmt: skip
    moments = [f"{text} {axis}" for text in ("mean", "std", "skew", "kurtosis") for axis in ("x", "y")]
    columns = ["keypoint", "labels", *moments, "NLL", "one law", "moved wins", "own wins"]
    return Section(
        name,
        "Were the shared law true of every keypoint, each keypoint's errors (filled) would follow the errors of all"
        " (line), with mean 0 and standard deviation 1. The bars say what a keypoint would win by having the law moved"
        " and scaled for it, or by a law of its own, on people that law was not fitted to.",
        [
            Figure("Gain of each keypoint", _gains(index, result, names),
                   "Nats per keypoint against one refitted law for all; lines are two standard errors. Filled: a law of"
                   " its own; hollow: moved and scaled only.", wide=True),
            Figure("Errors along x", _multiples(index, result, names, 0),
                   "In predicted standard deviations; the line is the law of all keypoints' errors.", wide=True),
            Figure("Errors along y", _multiples(index, result, names, 1),
                   "In predicted standard deviations; the line is the law of all keypoints' errors.", wide=True),
        ],
        [Table("All numbers", columns, rows, True)],
        [("", color, f"{name}, one keypoint"), ("fill", "area", "its errors"), ("dash", "muted", "all keypoints")],
    )  # fmt: skip


def _gain(value: float, error: float) -> str:
    return f"{write_number(value, 3)} ± {write_number(error, 3)}"


def _gains(index: int, result: JointErrors, names: list[str]) -> Markup:
    places = np.arange(len(names))[::-1]

    def draw(axes: list[Axes]) -> None:
        chart = axes[0]
        chart.axvline(0, color=MUTED, linewidth=1)
        for offset, gain, error, fill in (
            (0.15, result.own_gain, result.own_gain_error, series(index)),
            (-0.15, result.moved_gain, result.moved_gain_error, "none"),
        ):
            chart.hlines(
                places + offset,
                (gain - 2 * error).numpy(),
                (gain + 2 * error).numpy(),
                color=series(index),
                linewidth=1.2,
            )
            chart.plot(gain.numpy(), places + offset, "o", color=series(index), markerfacecolor=fill)
        chart.set_yticks(places, names)
        chart.set_ylim(-0.7, len(names) - 0.3)
        chart.set_xlabel("gain, nats per keypoint")
        chart.tick_params(axis="y", length=0)
        chart.spines["left"].set_visible(False)

    return panel(draw, f"gains-{index}", "Gain of each keypoint", (6.4, 1.0 + 0.27 * len(names)))


def _multiples(index: int, result: JointErrors, names: list[str], axis: int) -> Markup:
    """A small picture for each keypoint, row by row."""
    u, joint = result.errors[:, axis].numpy(), result.joint.numpy()
    x, everybody = density_curve(u)
    rows = -(-len(names) // ACROSS)
    edges = np.arange(-4, 4.01, 0.5)

    def draw(axes: list[Axes]) -> None:
        # One axes with a frame of its own coordinates for each keypoint: simpler than a grid of axes.
        chart = axes[0]
        chart.grid(False)
        chart.axis("off")
        for k, name in enumerate(names):
            left, base = 9.0 * (k % ACROSS), 0.85 * (rows - 1 - k // ACROSS)
            mine = u[joint == k]
            counts = np.histogram(mine, edges)[0] / (max(mine.size, 1) * 0.5)
            chart.stairs(counts + base, edges + left, baseline=base, fill=True, color=AREA)
            if mine.size:
                at, own = density_curve(mine)
                shown = np.abs(at) <= 4
                chart.plot(at[shown] + left, own[shown] + base, color=series(index), linewidth=1.8)
            shown = np.abs(x) <= 4
            chart.plot(x[shown] + left, everybody[shown] + base, color=MUTED, linewidth=1.2, linestyle=(0, (5, 2)))
            chart.plot([left - 4, left + 4], [base, base], color=MUTED, linewidth=0.8)
            chart.plot([left, left], [base, base - 0.015], color=MUTED, linewidth=0.8)
            chart.text(left - 4, base + 0.68, name, fontsize=8.5, va="top")
        chart.set_xlim(-4.3, 9.0 * (ACROSS - 1) + 4.3)
        chart.set_ylim(-0.05, 0.85 * rows - 0.1)

    return panel(
        draw, f"joints-{index}-{axis}", f"Errors of each keypoint along {'xy'[axis]}", (8.6, 1.15 * rows + 0.2)
    )
