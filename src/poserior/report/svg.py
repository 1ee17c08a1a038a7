"""One panel of a figure as inline SVG whose colours are CSS variables, so that it follows light and dark mode.

matplotlib draws with placeholder colours (`INK`, `MUTED`, `series(i)`), which the SVG text then exchanges for
``var(--ink)``, ``var(--muted)``, ``var(--series-1)``... Nothing global is changed: the settings hold inside
`matplotlib.rc_context`, and the figure never meets pyplot.
"""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

INK, MUTED, GRID, AREA = "#010203", "#010204", "#010205", "#010206"
NUM_SERIES = 6
"""How many methods get a colour of their own before colours repeat (with other markers)."""
GLYPHS = "●■◆▲▼✚✖★⬢▶◀"
"""The same markers as characters, for legends."""
FILLED = 3
"""Histograms of more methods than this are outlines only."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "h", ">", "<")

_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", AREA: "var(--area)"}
_VARIABLES |= {f"#0102{0x11 + i:02x}": f"var(--series-{i + 1})" for i in range(NUM_SERIES)}

_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.0,
}


def series(index: int) -> str:
    """The placeholder colour of the method at `index`."""
    return f"#0102{0x11 + index % NUM_SERIES:02x}"


def marker(index: int) -> str:
    """The marker of the method at `index`."""
    return MARKERS[index % len(MARKERS)]


def panel(
    draw: Callable[[list[Axes]], None],
    name: str,
    description: str,
    size: tuple[float, float] = (4.8, 3.5),
    heights: tuple[float, ...] = (1.0,),
    across: bool = False,
) -> Markup:
    """Draw one panel and return it as an inline ``<svg>``.

    Args:
        draw: fills the axes, one for each entry of `heights`.
        name: unique within a page; SVG ids are derived from it, so equal data give equal text.
        description: what the panel shows, for those who cannot see it.
        size: width and height in inches.
        heights: relative heights of the axes, stacked with a shared x axis.
        across: the axes stand side by side with a shared y axis instead, `heights` being their widths.
    """
    settings: Any = _SETTINGS | {"svg.hashsalt": name}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        shape: dict[str, Any] = {"nrows": len(heights), "sharex": True, "height_ratios": heights}
        if across:
            shape = {"ncols": len(heights), "sharey": True, "width_ratios": heights}
        axes: list[Axes] = list(figure.subplots(squeeze=False, **shape).flat)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), description)


def plain_log_ticks(axes: Axes, which: str) -> None:
    """Write a logarithmic axis' decades as plain numbers."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _inline(text: str, description: str) -> Markup:
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    opening = re.match(r"<svg[^>]*>", body)
    view_box = re.search(r'viewBox="([^"]*)"', body)
    if opening is None or view_box is None:  # cannot happen with matplotlib's own writer
        raise RuntimeError("matplotlib wrote no usable SVG")
    body = body[opening.end() :].replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", body)
    for placeholder, variable in _VARIABLES.items():
        body = body.replace(placeholder, variable)
    # Numbers to a hundredth of a point: smaller, and no visible difference.
    body = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", tag[0]), body)
    head = f'<svg class="plot" viewBox="{view_box[1]}" role="img" aria-label="{escape(description)}">'
    return Markup(head + body.strip())
