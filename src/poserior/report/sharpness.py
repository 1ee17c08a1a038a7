"""How wide must the regions be to hold the labels? Coverage against mean width, all regions scaled alike."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from markupsafe import Markup
from matplotlib.axes import Axes

from poserior.metrics import coverage_against_width, region_reach, region_width
from poserior.report.method import Method
from poserior.report.svg import INK, MUTED, marker, panel, series

FACTORS = np.linspace(0.0, 2.0, 81)
GAUSSIAN_90 = (-2 * np.log(0.1)) ** 0.5


def width_curve(method: Method) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "F"]] | None:
    """Mean width in pixels and share of labels held of the 90 % ellipses times `FACTORS`; None without covariances."""
    e = method.evaluation
    if e.covariance is None or not method.labelled.any():
        return None
    radius = torch.full_like(e.confidence, GAUSSIAN_90) if e.ellipse_radius is None else e.ellipse_radius
    mean = e.keypoints if e.mean is None else e.mean
    reach = region_reach(mean, e.target, e.covariance, radius)
    both = coverage_against_width(reach, region_width(e.covariance, radius), e.target_visibility, FACTORS.tolist())
    width, held = (curve.numpy() for curve in both)
    return width, held


def width_panel(methods: Sequence[Method]) -> Markup | None:
    """The curve of each method with covariances, a mark where its own 90 % regions lie; None if there is none."""
    known = [(method.index, *curve) for method in methods if (curve := width_curve(method)) is not None]
    if not known:
        return None

    def draw(axes: list[Axes]) -> None:
        axes[0].axhline(0.9, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        own = int(np.argmin(np.abs(FACTORS - 1)))
        for index, width, held in reversed(known):
            axes[0].plot(width, held, color=series(index))
            axes[0].plot(width[own], held[own], marker(index), color=series(index), markersize=9)
        reached = [width[np.flatnonzero(held >= 0.97)[:1]].max(initial=width[own]) for _, width, held in known]
        axes[0].set_xlim(0, 1.05 * float(max(reached)))
        axes[0].set_ylim(0, 1)
        axes[0].text(0.02, 0.91, "90 %", color=INK, transform=axes[0].get_yaxis_transform(), fontsize=9)
        axes[0].set_xlabel("mean width of the region, px")
        axes[0].set_ylabel("share of labels inside it")

    words = "Share of labels held against the mean width of the regions, scaled by one factor"
    return panel(draw, "width", words, size=(4.8, 4.2))
