"""Accuracy of the full model, of each component alone, and by keypoints."""

from collections.abc import Mapping

from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.analyses import Components
from poserior.report.component_names import component_names, component_order
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.svg import INK, MUTED, NUM_SERIES, marker, panel, series

KEYS = ("AP", "AP50", "AP75", "APS", "APM", "APL")
SIZES = {"APS": "small", "APM": "medium", "APL": "large"}


def accuracy_sections(runs: Mapping[str, Components]) -> list[Section]:
    """AP by component, and AP by keypoint subset."""
    return [*_by_component(runs), *_by_keypoint(runs)]


def _by_component(runs: Mapping[str, Components]) -> list[Section]:
    keys = [key for key in KEYS if any(key in row for run in runs.values() for row in run.average_precision.values())]
    if not keys:
        return []
    rows, figures = [], []
    for name, result in runs.items():
        labels = component_names(result)
        listed = [("all", "all")] + [(str(m + 1), labels[m]) for m in component_order(result)]
        for key, label in listed:
            if (found := result.average_precision.get(key)) is not None:
                numbers = [write_number(100 * found.get(k, float("nan")), 1) for k in keys]
                rows.append([name, label, *numbers])
        if len(result.average_precision) > 1:
            figures.append(
                Figure(name, _size_chart(name, result), "AP of objects of each size. Black: the full model.")
            )
    return [
        Section(
            "One component for everything",
            "AP (in %) of the full model, which takes each object's heaviest component, and with one component making"
            " all predictions. A component that is good at some sizes only is made for these.",
            figures,
            [Table("AP by component", ["run", "component", *keys], rows, open=True)],
            component_legend(runs),
        )
    ]


def component_legend(runs: Mapping[str, Components]) -> list[tuple[str, str, str]]:
    """A colour per component, in the order of the run with the most of them."""
    most = max((result.components for result in runs.values()), default=1)
    if most < 2:
        return []
    return [("fill", f"series-{m % NUM_SERIES + 1}", f"component {m + 1}") for m in range(most)]


def place_of(result: Components) -> dict[int, int]:
    """The head's number of a component to its place in the list, which decides its colour."""
    return {component: place for place, component in enumerate(component_order(result))}


def _size_chart(name: str, result: Components) -> Markup:
    keys = [key for key in SIZES if key in result.average_precision["all"]]
    places = list(range(len(keys)))

    def draw(axes: list[Axes]) -> None:
        for place, component in enumerate(component_order(result)):
            found = result.average_precision.get(str(component + 1), {})
            values = [100 * found.get(key, float("nan")) for key in keys]
            axes[0].plot(places, values, color=series(place), marker=marker(place), linewidth=1.6)
        values = [100 * result.average_precision["all"][key] for key in keys]
        axes[0].plot(places, values, color=INK, marker="o", linewidth=2.4)
        axes[0].set_xticks(places, [SIZES[key] for key in keys])
        axes[0].set_xlim(-0.3, len(keys) - 0.7)
        axes[0].set_ylim(0, None)
        axes[0].set_ylabel("AP, %")

    return panel(draw, f"sizes-{name}", f"AP by size of object for each component of {name}")


def _by_keypoint(runs: Mapping[str, Components]) -> list[Section]:
    with_points = {name: result for name, result in runs.items() if result.subsets}
    if not with_points:
        return []
    columns = list(dict.fromkeys(subset for result in with_points.values() for subset in result.subsets))
    rows = [
        [name, *(_percent(result.subsets.get(subset, {}).get("AP")) for subset in columns)]
        for name, result in with_points.items()
    ]
    first = next(iter(with_points.values()))
    for distance, values in first.displaced.items():
        rows.append([f"truth displaced by {distance}", *(_percent(values.get(subset)) for subset in columns)])
    legend = [("", f"series-{i % NUM_SERIES + 1}", name) for i, name in enumerate(with_points)]
    if first.displaced:
        legend.append(("", "muted", f"the truth displaced by {', '.join(first.displaced)}"))
    return [
        Section(
            "Which keypoints?",
            "AP (in %) as if only these keypoints were labelled. Grey: what is left of a perfect answer when each of"
            " its keypoints is moved by so many pixels in a random direction; small parts lose the most.",
            [
                Figure(
                    "AP by keypoints",
                    _subset_chart(with_points, columns),
                    "One mark per run; grey ticks are the displaced truth, the further the lower.",
                    wide=True,
                )
            ],
            [Table("AP by keypoints", ["", *columns], rows, open=True)],
            legend,
        )
    ]


def _percent(value: float | None) -> str:
    return "-" if value is None else write_number(100 * value, 1)


def _subset_chart(runs: Mapping[str, Components], columns: list[str]) -> Markup:
    displaced = next(iter(runs.values())).displaced

    def draw(axes: list[Axes]) -> None:
        chart, places = axes[0], list(range(len(columns)))
        for values in displaced.values():
            chart.plot(
                places,
                [100 * values.get(subset, float("nan")) for subset in columns],
                color=MUTED,
                marker="_",
                markersize=16,
                linestyle="none",
            )
        for i, result in enumerate(runs.values()):
            values_of = [100 * result.subsets.get(subset, {}).get("AP", float("nan")) for subset in columns]
            chart.plot(places, values_of, color=series(i), marker=marker(i), markersize=7, linestyle="none")
        chart.set_xticks(places, columns)
        chart.set_ylim(-2, 102)
        chart.set_ylabel("AP, %")

    return panel(draw, "subsets", "AP by subset of keypoints", size=(9.6, 3.4))
