"""The page of `analyses.confidence`: OKS and confidence under a growing patch, and what the confidence is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.analyses import Confidence, Curves
from poserior.report.method import Method
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.per_keypoint import readable
from poserior.report.ranking import ranking_panel
from poserior.report.reliability import reliability_panel
from poserior.report.risk_coverage import risk_panel
from poserior.report.sparsification import sparsification_panel
from poserior.report.svg import FILLED, NUM_SERIES, marker, panel, series
from poserior.report.tables import METRICS

ACROSS = 4
"""Joints in a row."""
DASH = (0, (4, 2))


def confidence_sections(runs: Mapping[str, Confidence]) -> list[Section]:
    """The patch over all joints, joint by joint, and the uncovered people; runs side by side."""
    first = next(iter(runs.values()))
    names = list(runs)
    legend = [("", f"series-{i % NUM_SERIES + 1}", f"{name}: OKS") for i, name in enumerate(names)]
    legend += [("dash", f"series-{i % NUM_SERIES + 1}", f"{name}: confidence") for i, name in enumerate(names)]
    together = Figure(
        "All covered joints together",
        _chart([result.together for result in runs.values()], first.sizes, ["all joints"], "all", bands=True),
        "Means over people and joints; the bands hold the middle half of the OKS and, lighter, of the confidences."
        if len(runs) <= FILLED
        else "Means over people and joints.",
    )
    calibration = Figure(
        "Does the confidence stay right?",
        _error_chart(runs),
        "Expected calibration error of the covered joints (solid), and the correlation of their confidence and OKS"
        " (dashed).",
    )
    groups = [list(range(k, min(k + ACROSS, len(first.keypoints)))) for k in range(0, len(first.keypoints), ACROSS)]
    joints = [
        Figure(
            ", ".join(readable(first.keypoints[k]) for k in group),
            _chart(
                [_part(result.joints, group) for result in runs.values()],
                first.sizes,
                [readable(first.keypoints[k]) for k in group],
                f"row{group[0]}",
            ),
            "",
            wide=True,
        )
        for group in groups
    ]
    what = "blurred" if first.patch == "blur" else "grey"
    return [
        Section(
            "A patch that grows",
            f"A {what} square lies on one joint at a time, ever larger. What is covered is found less well, so its OKS"
            " falls (solid); an honest confidence (dashed) falls with it, and stays on it if it is calibrated.",
            [together, calibration],
            [Table("All joints together", _COLUMNS, _rows(runs, together=True), open=True)],
            legend,
        ),
        Section(
            "Joint by joint",
            "The same for each covered joint alone.",
            joints,
            [Table("All numbers", _COLUMNS, _rows(runs, together=False))],
            legend,
        ),
        _uncovered(runs),
    ]


def confidence_lead(runs: Mapping[str, Confidence]) -> str:
    """What came out, run by run."""
    parts = []
    for name, result in runs.items():
        oks, sure = result.together.oks[:, 0], result.together.confidence[:, 0]
        write = METRICS["AP"].write
        ranking = (
            f" Uncovered, AP is {write(result.metrics['AP'])}; with perfect ranking it would be"
            f" {write(result.metrics['AP_oracle'])}."
            if result.metrics.get("AP") is not None
            else ""
        )
        parts.append(
            f"{name}: under a patch of {result.sizes[-1]:g} of the box a joint's OKS goes from"
            f" {write_number(float(oks[0]))} to {write_number(float(oks[-1]))}, its confidence from"
            f" {write_number(float(sure[0]))} to {write_number(float(sure[-1]))}.{ranking}"
        )
    return " ".join(parts)


def _part(curves: Curves, joints: Sequence[int]) -> Curves:
    chosen = list(joints)
    return Curves(
        curves.count[chosen],
        curves.oks[:, chosen],
        curves.confidence[:, chosen],
        curves.oks_quartiles[:, chosen],
        curves.confidence_quartiles[:, chosen],
        curves.spread[:, chosen],
        curves.error[:, chosen],
    )


def _chart(
    runs: Sequence[Curves], sizes: Sequence[float], titles: Sequence[str], name: str, bands: bool = False
) -> Markup:
    def draw(axes: list[Axes]) -> None:
        for j, (chart, title) in enumerate(zip(axes, titles, strict=False)):
            for i, curves in enumerate(runs):
                color = series(i)
                if bands and len(runs) <= FILLED:
                    for values, alpha in ((curves.oks_quartiles, 0.16), (curves.confidence_quartiles, 0.08)):
                        low, high = values[:, j].numpy().T
                        chart.fill_between(sizes, low, high, color=color, alpha=alpha, linewidth=0)
                chart.plot(sizes, curves.confidence[:, j].numpy(), color=color, linewidth=1.6, linestyle=DASH)
                chart.plot(sizes, curves.oks[:, j].numpy(), color=color, marker=marker(i), markersize=4)
            if len(titles) > 1:
                chart.set_title(title, fontsize=9.5)
            chart.set_xlim(0, None)
            chart.set_ylim(0, 1)
        for chart in axes[len(titles) :]:
            chart.set_visible(False)
        axes[0].set_ylabel("OKS, confidence")
        axes[(len(titles) - 1) // 2].set_xlabel("side of the patch, share of the box")

    columns = ACROSS if name != "all" else 1
    size = (4.8, 3.8) if columns == 1 else (10.4, 2.7)
    words = f"OKS and confidence against the size of the patch: {', '.join(titles)}"
    return panel(draw, f"patch-{name}", words, size=size, heights=(1.0,) * columns, across=True)


def _error_chart(runs: Mapping[str, Confidence]) -> Markup:
    def draw(axes: list[Axes]) -> None:
        for i, result in enumerate(runs.values()):
            axes[0].plot(result.sizes, result.pearson.numpy(), color=series(i), linewidth=1.6, linestyle=DASH)
            axes[0].plot(result.sizes, result.ece.numpy(), color=series(i), marker=marker(i))
        axes[0].set_xlim(0, None)
        axes[0].set_ylim(min(0.0, *(float(result.pearson.nan_to_num(0).min()) for result in runs.values())), None)
        axes[0].set_xlabel("side of the patch, share of the box")
        axes[0].set_ylabel("ECE, correlation")

    return panel(draw, "patch-error", "Calibration error and correlation against the size of the patch", (4.8, 3.8))


_COLUMNS = ["run", "joint", "patch", "people", "OKS", "confidence", "error, px", "spread, px", "ECE", "pearson"]


def _rows(runs: Mapping[str, Confidence], together: bool) -> list[list[str]]:
    rows = []
    for name, result in runs.items():
        curves = result.together if together else result.joints
        titles = ["all"] if together else [readable(keypoint) for keypoint in result.keypoints]
        for j, title in enumerate(titles):
            for s, size in enumerate(result.sizes):
                of_all = [write_number(float(v[s]), 3) if together else "" for v in (result.ece, result.pearson)]
                numbers = (
                    (curves.oks, 3), (curves.confidence, 3), (curves.error, 1), (curves.spread, 1),
                )  # fmt: skip
                rows.append(
                    [
                        name,
                        title,
                        f"{size:g}",
                        str(int(curves.count[j])),
                        *(write_number(float(values[s, j]), digits) for values, digits in numbers),
                        *of_all,
                    ]
                )
    return rows


def _uncovered(runs: Mapping[str, Confidence]) -> Section:
    methods = [
        Method(i, replace(result.evaluation, name=name), result.metrics)
        for i, (name, result) in enumerate(runs.items())
    ]
    drawn = (
        ("Does it mean what it says?", reliability_panel(methods), "Mean OKS of all keypoints of about the same"
         " confidence; the larger the mark, the more keypoints."),
        ("Does it find the errors?", sparsification_panel(methods), "Error of the keypoints that remain when the least"
         " trusted go first. Dashed: the same if the worst went first."),
        ("How many can be accepted?", risk_panel(methods), "Share of wrong keypoints (OKS below 0.5) among those"
         " accepted. Dashed: in a perfect order."),
        ("What is the score worth?", ranking_panel(methods), "AP of the same people and points with other scores: all"
         " 1, drawn at random, the own ones, and the true OKS."),
    )  # fmt: skip
    keys = (
        *("OKS", "confidence", "pearson", "spearman", "AUSE", "ECE", "pearson_instance", "AP"),
        *("AP_constant", "AP_random", "AP_oracle", "oracle_gap"),
    )
    rows = [[key, *(METRICS[key].write(result.metrics.get(key)) for result in runs.values())] for key in keys]
    return Section(
        "The same people, uncovered",
        "What the confidence is worth where nothing is hidden: is it right on average, does it find the errors, and how"
        " much would perfect ranking of these people add to AP?",
        [Figure(title, drawing, caption) for title, drawing, caption in drawn if drawing is not None],
        [Table("Numbers", ["metric", *runs], rows, open=True)],
        [("", f"series-{i % NUM_SERIES + 1}", name) for i, name in enumerate(runs)] + [("dash", "muted", "perfect")],
    )
