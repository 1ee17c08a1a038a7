"""The page of `analyses.occlusion`: a matrix of covered and measured keypoints."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from poserior.analyses import Occlusion
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.per_keypoint import readable
from poserior.report.svg import INK, panel


def occlusion_sections(runs: Mapping[str, Occlusion]) -> list[Section]:
    """A section per run: two heat maps and the numbers behind them."""
    highest = max(float(np.nanmax(_finite(result.error_ratio.numpy()), initial=1.5)) for result in runs.values())
    return [_section(f"run{i}", name, result, highest) for i, (name, result) in enumerate(runs.items())]


def occlusion_lead(runs: Mapping[str, Occlusion]) -> str:
    """What came out, run by run."""
    parts = []
    for name, result in runs.items():
        own, others = own_and_others(result.error_ratio.numpy())
        spread = own_and_others(result.spread_ratio.numpy())[0]
        parts.append(
            f"{name}: a covered keypoint's error grows {write_number(own)}-fold, the other keypoints'"
            f" {write_number(others)}-fold; the spread predicted for the covered one grows {write_number(spread)}-fold."
        )
    return " ".join(parts)


def own_and_others(matrix: Float[np.ndarray, "K K"]) -> tuple[float, float]:
    """Geometric means of a ratio matrix' diagonal and of the rest.

    >>> own_and_others(np.array([[4.0, 1.0], [1.0, 1.0]]))
    (2.0, 1.0)
    """
    logs, eye = np.log(np.maximum(matrix, 1e-12)), np.eye(len(matrix), dtype=bool)

    def mean(values: np.ndarray) -> float:
        values = values[np.isfinite(values)]
        return float(np.exp(values.mean())) if values.size else float("nan")

    return mean(logs[eye]), mean(logs[~eye])


def _finite(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(np.isfinite(matrix), matrix, np.nan))


def _section(identity: str, name: str, result: Occlusion, highest: float) -> Section:
    names = [readable(keypoint) for keypoint in result.skeleton.keypoints]
    header = ["covered", *names]

    def rows(matrix: np.ndarray, uncovered: np.ndarray) -> list[list[str]]:
        body = [[names[i], *(write_number(float(value)) for value in matrix[i])] for i in range(len(names))]
        return [["nothing", *(write_number(float(value)) for value in uncovered)], *body]

    error, spread = result.error_ratio.numpy(), result.spread_ratio.numpy()
    return Section(
        name,
        "A row is the keypoint under the grey square, a column the keypoint that is measured; 1 means that the square"
        " changes nothing. A dark diagonal says that each point is looked for where it is, dark columns or blocks that"
        " a point is inferred from others.",
        [
            Figure(
                "Error, times that of the uncovered crop",
                heat_map(f"{identity}-error", error, names, highest, f"Error ratios of {name}"),
                "Mean distance to the label, divided by the same people's with nothing covered.",
                wide=True,
            ),
            Figure(
                "Predicted spread, times that of the uncovered crop",
                heat_map(f"{identity}-spread", spread, names, highest, f"Spread ratios of {name}"),
                "The same for the spread that the model predicts: an honest model's is as dark as the one above.",
                wide=True,
            ),
        ],
        [
            Table("Mean error in pixels", header, rows(result.error.numpy(), result.uncovered_error.numpy())),
            Table(
                "Mean predicted spread in pixels", header, rows(result.spread.numpy(), result.uncovered_spread.numpy())
            ),
        ],
    )


def heat_map(
    identity: str, matrix: Float[np.ndarray, "K K"], names: list[str], highest: float, description: str
) -> Markup:
    """A matrix of ratios with a number in each cell; white at 1 and below, dark at `highest`."""
    colors, scale = matplotlib.colormaps["YlOrRd"], Normalize(1.0, max(highest, 1.01), clip=True)

    def draw(axes: list[Axes]) -> None:
        chart = axes[0]
        chart.grid(False)
        edges = np.arange(len(names) + 1)
        masked = np.ma.masked_invalid(0.9 * np.asarray(scale(matrix)))
        chart.pcolormesh(edges, edges, masked, cmap=colors, vmin=0, vmax=1, linewidth=0.3)
        size = min(9.0, 110 / len(names))
        for i, row in enumerate(matrix):
            for j, value in enumerate(row):
                known = bool(np.isfinite(value))
                color = colors(0.9 * float(scale(value)))
                dark = known and 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] < 0.6
                text = write_number(float(value), 1 if value >= 9.95 else 2)
                chart.text(
                    j + 0.5, i + 0.52, text, ha="center", va="center", fontsize=size,
                    color="#fefefe" if dark else "#1b1b1b" if known else INK, in_layout=False,
                )  # fmt: skip
        chart.set_xlim(0, len(names))
        chart.set_ylim(len(names), 0)
        chart.set_xticks(np.arange(len(names)) + 0.5, names, rotation=45, ha="right")
        chart.set_yticks(np.arange(len(names)) + 0.5, names)
        chart.set_xlabel("measured")
        chart.set_ylabel("covered")
        chart.tick_params(length=0)
        for side in chart.spines.values():
            side.set_visible(False)

    side = 2.2 + 0.43 * len(names)
    return panel(draw, f"occlusion-{identity}", description, size=(side + 0.4, side * 0.86))
