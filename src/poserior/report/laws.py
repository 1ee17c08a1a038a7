"""The page of `analyses.density`: the learned law of errors beside the fitted and the true one."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.analyses import Density
from poserior.report.density import density_curve
from poserior.report.page import Figure, Section, Table, write_number
from poserior.report.svg import AREA, INK, MUTED, panel, plain_log_ticks, series

SHOWN = {"learned": "learned", "laplace": "Laplace, fitted", "gaussian": "Gaussian, fitted", "true": "true label law"}
AXES = ("x", "y")


def density_sections(runs: Mapping[str, Density]) -> list[Section]:
    """A section per run."""
    return [_section(i, name, result) for i, (name, result) in enumerate(runs.items())]


def density_lead(runs: Mapping[str, Density]) -> str:
    """Which law makes the labels likeliest, run by run."""
    parts = []
    for name, result in runs.items():
        order = sorted((law for law in SHOWN if law in result.log_likelihood and law != "true"),
                       key=lambda law: -result.log_likelihood[law])  # fmt: skip
        words = ", then ".join(f"{_word(law)} ({result.log_likelihood[law]:.3f})" for law in order)
        parts.append(f"{name}: the labels are likeliest under {words}, in nats per keypoint.")
    return " ".join(parts)


def _word(law: str) -> str:
    return {"learned": "the learned law", "laplace": "a Laplace", "gaussian": "a Gaussian"}[law]


def _section(index: int, name: str, result: Density) -> Section:
    color = f"series-{index % 6 + 1}"
    legend = [
        ("", color, f"{name}, learned"),
        ("fill", "area", "actual errors"),
        ("dash", "muted", "Laplace, fitted"),
        ("dot", "muted", "Gaussian, fitted"),
    ]
    if result.true_draws is not None:
        legend.append(("", "ink", "true law of the label noise"))
    slices = [
        Figure(
            f"Errors along {axis}, {'their tails' if log else 'their peak'}",
            _marginal(index, result, d, log),
            "Logarithmic axis: a straight tent is Laplace, a parabola is Gaussian." if log else "Linear axis.",
        )
        for d, axis in enumerate(AXES)
        for log in (False, True)
    ]
    contours = Figure(
        "In the plane",
        _contours(index, result),
        "Lines around 25, 50, 75, 90 and 97 % of each law, on the same scale: learned, Laplace, Gaussian"
        + (", true law." if result.true_draws is not None else ".")
        + " A Laplace's lines are diamonds, a Gaussian's ellipses; the specks are actual errors.",
        wide=True,
    )
    rows = [
        [
            text,
            write_number(result.log_likelihood[law], 3),
            "" if law == "learned" else f"{result.log_likelihood[law] - result.log_likelihood['learned']:+.3f}",
            "" if law == "learned" else write_number(result.standard_error[law], 3),
        ]
        for law, text in SHOWN.items()
        if law in result.log_likelihood
    ]
    says = (
        "Each error is measured in the standard deviation predicted for it, so that a true density has variance 1. The"
        " closer the coloured line follows the grey area, the truer is the learned law"
    )
    says += (
        "; the black line is the noise alone, in its own units, without the model's errors."
        if result.true_draws is not None
        else "."
    )
    columns = ["law", "log likelihood, nats per keypoint", "against learned", "standard error"]
    return Section(name, says, [*slices, contours], [Table("How likely the labels are", columns, rows, True)], legend)


def _marginal(index: int, result: Density, axis: int, log: bool) -> Markup:
    u = result.errors[:, axis].numpy()
    x = result.axis.numpy()
    learned = result.learned.numpy().sum(1 - axis) * (x[1] - x[0])
    laplace, gaussian = _fitted(result, axis, x)

    def draw(axes: list[Axes]) -> None:
        chart = axes[0]
        width = 0.5 if log else 0.25
        edges = np.arange(x[0], x[-1] + width / 2, width)
        chart.stairs(np.histogram(u, edges)[0] / (max(u.size, 1) * width), edges, fill=True, color=AREA, alpha=1.0)
        chart.plot(x, gaussian, color=MUTED, linewidth=1.3, linestyle=(0, (1, 1.6)))
        chart.plot(x, laplace, color=MUTED, linewidth=1.3, linestyle=(0, (5, 2)))
        if result.true_draws is not None:
            chart.plot(*density_curve(result.true_draws[:, axis].numpy()), color=INK, linewidth=1.4)
        chart.plot(x, learned, color=series(index), linewidth=2.4)
        chart.set_xlabel(f"error along {AXES[axis]}, in predicted standard deviations")
        chart.set_ylabel("density")
        if log:
            chart.set_yscale("log")
            chart.set_ylim(1e-4, 2.0)
            chart.set_xlim(-8, 8)
            plain_log_ticks(chart, "y")
        else:
            chart.set_xlim(-4, 4)
            chart.set_ylim(0, None)

    words = f"Law of the errors along {AXES[axis]}, {'logarithmic' if log else 'linear'}"
    return panel(draw, f"laws-{index}-{axis}-{log}", words)


def _fitted(result: Density, axis: int, x: Float[np.ndarray, "G"]) -> tuple[np.ndarray, np.ndarray]:
    """The fitted Laplace and Gaussian along one axis."""
    loc, scale = float(result.laplace_loc[axis]), float(result.laplace_scale[axis])
    mean, std = float(result.gaussian_loc[axis]), float(result.gaussian_scale[axis])
    laplace = np.exp(-np.abs(x - loc) / scale) / (2 * scale)
    return laplace, np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))


def _contours(index: int, result: Density) -> Markup:
    x = result.axis.numpy()
    fits = [_fitted(result, axis, x) for axis in (0, 1)]
    laws: list[tuple[str, np.ndarray, str]] = [
        ("learned", result.learned.numpy(), series(index)),
        ("Laplace", np.outer(fits[0][0], fits[1][0]), MUTED),
        ("Gaussian", np.outer(fits[0][1], fits[1][1]), MUTED),
    ]
    if result.true_draws is not None:
        laws.append(("true", _binned(result.true_draws.numpy(), x), INK))
    u = result.errors.numpy()[:: max(1, len(result.errors) // 600)]

    def draw(axes: list[Axes]) -> None:
        for chart, (title, values, color) in zip(axes, laws, strict=True):
            chart.plot(u[:, 0], u[:, 1], ".", color=AREA, markersize=2)
            levels = np.unique(_levels(values, (0.97, 0.9, 0.75, 0.5, 0.25)))
            chart.contour(x, x, values.T, levels=levels, colors=[color], linewidths=1.3)
            chart.set_title(title, fontsize=9.5)
            chart.set_xlim(-4, 4)
            chart.set_ylim(4, -4)  # y points down, as in pictures
            chart.set_aspect("equal")
            chart.set_xlabel("x")
        axes[0].set_ylabel("y")

    size = (2.6 * len(laws) + 0.5, 3.2)
    return panel(draw, f"contours-{index}", "Contours of the laws", size, (1.0,) * len(laws), across=True)


def _binned(draws: Float[np.ndarray, "D 2"], x: Float[np.ndarray, "G"]) -> np.ndarray:
    """Draws to a density on the grid, smoothed by a Gaussian of Silverman's width."""
    step = float(x[1] - x[0])
    edges = np.append(x - step / 2, x[-1] + step / 2)
    counts = np.histogram2d(draws[:, 0], draws[:, 1], [edges, edges])[0] / (max(len(draws), 1) * step**2)
    width = max(0.8 * len(draws) ** (-1 / 6), step) / step
    half = int(np.ceil(4 * width))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / width) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        counts = np.apply_along_axis(lambda row: np.convolve(row, kernel, "same"), axis, counts)
    return np.asarray(counts)


def _levels(values: np.ndarray, masses: tuple[float, ...]) -> list[float]:
    """The densities above which these shares of the mass lie."""
    ordered = np.sort(values.ravel())[::-1]
    mass = np.cumsum(ordered) / ordered.sum()
    return [float(ordered[min(int(np.searchsorted(mass, share)), ordered.size - 1)]) for share in masses]
