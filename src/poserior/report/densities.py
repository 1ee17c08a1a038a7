"""The report of the one-dimensional problems: every learned density as a picture beside the truth, and their KL."""

import base64
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave

from poserior.report.html import page_environment
from poserior.report.svg import INK, NUM_SERIES, panel, series

EXTENT = (-3.0, 3.0)
"""Both axes of every picture."""
SLICED = ("Gaussian", "RLE", "Mixture", "Flow", "Energy[ml-is]", "Energy[nce+]")
"""Heads whose curves are drawn, where they are there."""
COLORS = "magma"


@dataclass(frozen=True)
class Learned:
    """One head on one problem.

    Attributes:
        name: the head's.
        density: of its best net, x by y, both over `EXTENT`.
        kl_best5: mean KL of the five best nets, nats.
        kl_mean: mean KL of all nets.
    """

    name: str
    density: Float[np.ndarray, "X Y"]
    kl_best5: float
    kl_mean: float


@dataclass(frozen=True)
class DensityProblem:
    """A problem and what was learned of it.

    Attributes:
        title: says what is difficult.
        truth: x by y.
        learned: in the order of the table; the same heads for all problems.
        slices: the x at which curves are drawn.
    """

    title: str
    truth: Float[np.ndarray, "X Y"]
    learned: Sequence[Learned]
    slices: tuple[float, ...]


def write_density_report(
    problems: Sequence[DensityProblem], output: Path, title: str, facts: Mapping[str, str]
) -> Path:
    """Write one self-contained HTML file (no script, no request to anywhere).

    Args:
        problems: at least one.
        output: the file; it appears complete or not at all.
        title: the page's.
        facts: what a reader needs to repeat it.

    Returns:
        `output`.
    """
    shown = [
        {
            "title": problem.title,
            "truth": picture(problem.truth, problem.truth),
            "learned": [(each, picture(each.density, problem.truth)) for each in problem.learned],
            "curves": _curves(problem, f"slices-{number}"),
            "legend": [(each.name, index % NUM_SERIES + 1) for index, each in enumerate(_sliced(problem))],
        }
        for number, problem in enumerate(problems, start=1)
    ]
    best = [min(each.kl_best5 for each in problem.learned) for problem in problems]
    rows = []
    for cells in zip(*[problem.learned for problem in problems], strict=True):
        marked = [(cell, cell.kl_best5 <= least) for cell, least in zip(cells, best, strict=True)]
        rows.append((cells[0].name, marked))
    context = {"title": title, "facts": facts, "problems": shown, "rows": rows}
    text = page_environment().get_template("densities.html.j2").render(context)
    _write(output, text.encode())
    return output


def write_density_sheet(problems: Sequence[DensityProblem], output: Path, columns: int = 6) -> Path:
    """All pictures of all problems on one sheet (JPEG), truth first.

    Args:
        problems: at least one.
        output: the file; it appears complete or not at all.
        columns: pictures side by side.
    """
    lines = [-(-(len(problem.learned) + 1) // columns) for problem in problems]
    with matplotlib.rc_context({"font.size": 8, "axes.titlesize": 8}):
        figure = Figure(figsize=(1.7 * columns, 1.85 * sum(lines) + 0.3 * len(lines)), layout="constrained")
        FigureCanvasAgg(figure)
        parts = figure.subfigures(len(problems), 1, height_ratios=lines, squeeze=False)[:, 0]
        for number, (part, problem, count) in enumerate(zip(parts, problems, lines, strict=True), start=1):
            part.suptitle(f"Problem {number}: {problem.title}", fontsize=10)
            axes = list(part.subplots(count, columns, squeeze=False, sharex=True, sharey=True).flat)
            cells = [("truth", problem.truth)]
            cells += [(f"{each.name}  {each.kl_best5:.3f}", each.density) for each in problem.learned]
            for axis in axes[len(cells) :]:
                axis.set_axis_off()
            for axis, (name, density) in zip(axes, cells, strict=False):
                shade = _shade(density, problem.truth).T
                axis.imshow(shade, cmap=COLORS, vmin=0, vmax=1, origin="lower", extent=EXTENT * 2)
                axis.set(title=name, xticks=(-3, 0, 3), yticks=(-3, 0, 3))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="jpg", dpi=100, pil_kwargs={"quality": 82})
    _write(output, buffer.getvalue())
    return output


def picture(density: Float[np.ndarray, "X Y"], truth: Float[np.ndarray, "X Y"]) -> str:
    """A density as an image's ``src``: x to the right, y upwards, bright where dense, on the truth's scale."""
    buffer = io.BytesIO()
    # origin="lower": the first row, the lowest y, is at the bottom
    imsave(buffer, _shade(density, truth).T, cmap=COLORS, vmin=0, vmax=1, origin="lower", format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _shade(density: Float[np.ndarray, "X Y"], truth: Float[np.ndarray, "X Y"]) -> Float[np.ndarray, "X Y"]:
    """From 0 to 1, by the square root, so that wide and narrow densities are both seen."""
    top = np.median(truth.max(axis=1)) * 1.5
    return np.asarray(np.sqrt(np.clip(density / top, 0, 1)))


def _sliced(problem: DensityProblem) -> list[Learned]:
    wanted = [each for each in problem.learned if each.name in SLICED]
    return (wanted or list(problem.learned))[:NUM_SERIES]


def _curves(problem: DensityProblem, name: str) -> list[tuple[float, Markup]]:
    """For each x in `slices` the true and some learned densities as curves."""
    drawn = []
    for x in problem.slices:
        row = round((x - EXTENT[0]) / (EXTENT[1] - EXTENT[0]) * (len(problem.truth) - 1))

        def draw(axes: list[Axes], row: int = row) -> None:
            y = np.linspace(*EXTENT, problem.truth.shape[1])
            near = problem.truth[row] > 1e-3 * problem.truth[row].max()
            axes[0].plot(y, problem.truth[row], color=INK, linewidth=3.5, alpha=0.35)
            for index, each in enumerate(_sliced(problem)):
                axes[0].plot(y, each.density[row], color=series(index), linewidth=1.4)
            axes[0].set(xlabel="y", ylabel="density", ylim=(0, 1.35 * problem.truth[row].max()))
            axes[0].set_xlim(y[near].min() - 0.3, y[near].max() + 0.3)

        says = f"{problem.title}: the true density of y at x = {x:g} and the learned ones"
        drawn.append((x, panel(draw, f"{name}{x:g}", says)))
    return drawn


def _write(output: Path, content: bytes) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
