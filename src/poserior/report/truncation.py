"""The page of `analyses.truncation`: error against how much of the person is cut off."""

from collections.abc import Mapping

from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.analyses import Truncation
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.svg import marker, panel, series

REGIONS = ("inside", "outside")


def truncation_sections(runs: Mapping[str, Truncation]) -> list[Section]:
    """One section with all runs side by side, and the numbers."""
    first = next(iter(runs.values()))
    legend = [("", f"series-{i % 6 + 1}", f"{name}: error") for i, name in enumerate(runs)]
    legend += [("dash", "muted", "the spread it predicts")]
    box = (
        "the box ends there too, so that the crop shows the rest larger"
        if first.keep == "rest"
        else "the box stays, so that only the pixels are gone"
    )
    return [
        Section(
            "Inside and outside of the picture",
            f"The picture ends early on the {first.side} side of each person; {box}. Keypoints in the rest should keep"
            " their error, those beyond the edge can only be inferred, and an honest spread (dashed) grows as the error"
            " does.",
            [
                Figure(
                    f"Keypoints {where} the rest",
                    _chart(runs, region),
                    "Mean distance to the label in pixels of the picture, over the labelled keypoints on that side.",
                )
                for region, where in enumerate(("within", "outside of"))
            ],
            [Table("All numbers", _COLUMNS, _rows(runs), open=True)],
            legend,
        )
    ]


def truncation_lead(runs: Mapping[str, Truncation]) -> str:
    """What came out at the deepest cut, run by run."""
    parts = []
    for name, result in runs.items():
        inside, outside = (write_number(float(value), 1) for value in result.error[-1])
        parts.append(
            f"{name}: with {100 * result.cuts[-1]:.0f} % of the box cut off, the error is {inside} px for the keypoints"
            f" that are left ({write_number(float(result.uncut_error[-1, 0]), 1)} px uncut) and {outside} px for those"
            f" that are gone ({write_number(float(result.uncut_error[-1, 1]), 1)} px uncut)."
        )
    return " ".join(parts)


_COLUMNS = ["run", "cut", "where", "keypoints", "error, px", "uncut, px", "spread, px", "on the right side"]


def _rows(runs: Mapping[str, Truncation]) -> list[list[str]]:
    return [
        [
            name,
            f"{100 * cut:.0f} %",
            where,
            str(int(result.count[t, region])),
            *(write_number(float(part[t, region])) for part in (result.error, result.uncut_error, result.spread)),
            write_number(float(result.found[t, region])),
        ]
        for name, result in runs.items()
        for t, cut in enumerate(result.cuts)
        for region, where in enumerate(REGIONS)
        if result.count[t, region] > 0
    ]


def _chart(runs: Mapping[str, Truncation], region: int) -> Markup:
    def draw(axes: list[Axes]) -> None:
        chart = axes[0]
        for i, result in enumerate(runs.values()):
            x = [100 * cut for cut in result.cuts]
            chart.plot(x, result.spread[:, region].numpy(), color=series(i), linewidth=1.4, linestyle=(0, (4, 2)))
            chart.plot(x, result.error[:, region].numpy(), color=series(i), marker=marker(i))
        chart.set_xlabel("cut off, % of the person's box")
        chart.set_ylabel("px")
        chart.set_ylim(0, None)

    return panel(draw, f"truncation-{region}", f"Error and spread of keypoints {REGIONS[region]}")
