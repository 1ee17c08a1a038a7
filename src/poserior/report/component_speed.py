"""Accuracy against speed, and against epochs."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from poserior.analyses import Components, LearningCurve
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.svg import MUTED, NUM_SERIES, marker, panel, series

CHARTS = 4
"""Columns of the log that are drawn."""


def speed_sections(runs: Mapping[str, Components]) -> list[Section]:
    """AP against pictures per second, one mark per setting."""
    timed = {name: result for name, result in runs.items() if result.timings}
    if not timed:
        return []
    rows = [
        [
            name,
            timing.setting,
            write_number(1 / timing.seconds, 2),
            write_number(1000 * timing.seconds, 1),
            write_number(100 * timing.average_precision, 1),
        ]
        for name, result in timed.items()
        for timing in result.timings
    ]
    columns = ["run", "setting", "pictures per second", "milliseconds each", "AP, %"]
    return [
        Section(
            "Speed and accuracy",
            "One picture at a time, from the decoded picture to the answer; all runs and settings measured in turn on"
            " one machine, medians. Higher and further to the right is better; only the ratios hold elsewhere.",
            [
                Figure(
                    "AP against speed",
                    _speed_chart(timed),
                    "The number is the input's longer side, f the flip test, S3 and S5 so many scales.",
                )
            ],
            [Table("Settings", columns, rows, open=True)],
            _legend(list(timed)),
        )
    ]


def learning_sections(runs: Mapping[str, Components]) -> list[Section]:
    """Every validation number of the logs, epoch by epoch."""
    logs = {name: result.learning for name, result in runs.items() if result.learning is not None}
    names = list(dict.fromkeys(column for log in logs.values() for column in log.values))
    names.sort(key=lambda column: "AP" not in column)
    if not names:
        return []
    figures = [
        Figure(_readable(column), _learning_chart(logs, column), "By epoch, on the validation data.")
        for column in names[:CHARTS]
    ]
    return [
        Section(
            "Convergence",
            "What each run's log says of its validation data after each epoch.",
            figures,
            (),
            _legend(list(logs)),
        )
    ]


def _legend(names: Sequence[str]) -> list[tuple[str, str, str]]:
    return [("", f"series-{i % NUM_SERIES + 1}", name) for i, name in enumerate(names)]


def _readable(column: str) -> str:
    return column.replace("_", " ")


def _speed_chart(runs: Mapping[str, Components]) -> Markup:
    def draw(axes: list[Axes]) -> None:
        chart = axes[0]
        for i, result in enumerate(runs.values()):
            line = sorted((1 / t.seconds, 100 * t.average_precision, t.setting) for t in result.timings)
            chart.plot(
                [x for x, _, _ in line], [y for _, y, _ in line], color=series(i), marker=marker(i), linestyle="none"
            )
            for x, y, setting in line:
                chart.annotate(setting, (x, y), xytext=(5, 5), textcoords="offset points", color=MUTED, fontsize=8.5)
        chart.margins(x=0.12, y=0.15)
        chart.set_xlabel("pictures per second")
        chart.set_ylabel("AP, %")

    return panel(draw, "speed", "AP against pictures per second", size=(6.4, 4.0))


def _learning_chart(logs: Mapping[str, LearningCurve], column: str) -> Markup:
    def draw(axes: list[Axes]) -> None:
        for i, log in enumerate(logs.values()):
            if column in log.values:
                axes[0].plot(log.epoch, log.values[column], color=series(i), marker=marker(i), markersize=3.5)
        axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[0].set_xlabel("epoch")
        axes[0].set_ylabel(_readable(column))

    return panel(draw, f"learning-{column}", f"{_readable(column)} by epoch")
