"""The distribution of the objects' scale: annotated, and by component."""

from collections.abc import Mapping

from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.analyses import Components, ScaleSplit
from poserior.report.component_accuracy import component_legend, place_of
from poserior.report.component_names import component_names
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.svg import AREA, INK, MUTED, panel, plain_log_ticks, series

TICKS = [2**power for power in range(1, 14)]


def scale_sections(runs: Mapping[str, Components]) -> list[Section]:
    """Histograms and boxes of scale, and how far component and scale go together."""
    parts = {name: (result, result.scale) for name, result in runs.items() if result.scale is not None}
    if not parts:
        return []
    figures = [
        Figure(
            name,
            _chart(name, result, split),
            "Above: shares of all objects; grey are the annotated ones. Below: median, middle half and middle 90 %,"
            " with the share of the predictions.",
        )
        for name, (result, split) in parts.items()
    ]
    numbers = [
        [
            name,
            str(split.count),
            *(write_number(v) for v in (split.pearson, split.spearman, split.pearson_category, split.category_v)),
        ]
        for name, (_, split) in parts.items()
    ]
    columns = ["run", "objects", "Pearson, scale", "Spearman, scale", "Pearson, category", "Cramér's V, category"]
    return [
        Section(
            "Scale",
            "An object's scale is the root of its box's area, in pixels of the original picture. If components divide"
            " the objects by scale, their histograms lie side by side and the correlation is high. It is taken over"
            " all annotated objects: which component leads at their centre, components in the order of their scale.",
            figures,
            [
                Table("Component, scale and category", columns, numbers, open=True),
                Table("Shares and quantiles", _COLUMNS, _rows(parts)),
            ],
            [("fill", "area", "annotated"), *component_legend(runs)],
        )
    ]


_COLUMNS = [
    *("run", "objects", "share, %", "small, %", "medium, %", "large, %"),
    *("5 %", "25 %", "median", "75 %", "95 %"),
]


def _rows(parts: Mapping[str, tuple[Components, ScaleSplit]]) -> list[list[str]]:
    rows = []
    for name, (result, split) in parts.items():
        labels, place = component_names(result), {int(m): i for i, m in enumerate(split.order.tolist())}
        sizes = [write_number(100 * float(v), 1) for v in split.true_rate]
        rows.append([name, "annotated", "100.0", *sizes, *(write_number(float(v), 0) for v in split.true_quantiles)])
        for component in place_of(result):
            i = place[component]
            rows.append(
                [
                    name,
                    f"component {labels[component]}",
                    write_number(100 * float(split.rate[i]), 1),
                    *(write_number(100 * float(v), 1) for v in split.found_rate[i]),
                    *(write_number(float(v), 0) for v in split.quantiles[i]),
                ]
            )
    return rows


def _chart(name: str, result: Components, split: ScaleSplit) -> Markup:
    labels, color = component_names(result), place_of(result)
    edges = split.edges.numpy()

    def draw(axes: list[Axes]) -> None:
        above, below = axes
        above.stairs(100 * split.truth.numpy(), edges, fill=True, color=AREA)
        for i, component in enumerate(split.order.tolist()):
            above.stairs(100 * split.found[i].numpy(), edges, color=series(color[component]), linewidth=1.8)
        above.set_ylabel("share, %")
        above.set_ylim(0, None)
        rows = [("annotated", split.true_quantiles, MUTED)]
        for i, component in enumerate(split.order.tolist()):
            label = f"{labels[component]}: {100 * float(split.rate[i]):.1f} %"
            rows.append((label, split.quantiles[i], series(color[component])))
        for y, (_, quantiles, tone) in enumerate(rows):
            low, q1, middle, q3, high = quantiles.tolist()
            if middle != middle:  # a component that was never taken
                below.text(0.5, y, "never taken", transform=below.get_yaxis_transform(), color=MUTED, va="center")
                continue
            below.plot([low, high], [y, y], color=tone, linewidth=1.4)
            below.barh(y, q3 - q1, left=q1, height=0.55, color=tone, alpha=0.55)
            below.plot([middle, middle], [y - 0.27, y + 0.27], color=INK, linewidth=1.6)
        below.set_yticks(range(len(rows)), [row[0] for row in rows])
        below.set_ylim(len(rows) - 0.5, -0.5)
        below.grid(visible=False, axis="y")
        below.set_xscale("log")
        below.set_xlim(edges[0], edges[-1])
        below.set_xticks([side for side in TICKS if edges[0] <= side <= edges[-1]])
        plain_log_ticks(below, "x")
        below.set_xlabel("scale, root of the box's area, pixels")

    words = f"Distribution of object scale, annotated and by component of {name}"
    height = 0.32 * (result.components + 1) + 0.5
    return panel(draw, f"scale-{name}", words, size=(5.2, 2.4 + height), heights=(2.2, height))
