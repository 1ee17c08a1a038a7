"""Predictions on their pictures, coloured by the component that made them."""

import base64
import io
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup, escape
from PIL import Image

from poserior.analyses import Components, Shown
from poserior.report.component_accuracy import component_legend, place_of
from poserior.report.component_names import component_names
from poserior.report.gallery import ellipse_axes
from poserior.report.page import Figure, Section
from poserior.report.svg import NUM_SERIES

LONGEST = 640
"""Pixels; larger pictures are made smaller before they are stored."""
RADIUS = 2.146
"""Of an ellipse, in standard deviations: it holds 90 % of a Gaussian."""


def picture_sections(runs: Mapping[str, Components]) -> list[Section]:
    """The pictures of every run."""
    figures = [
        Figure(
            f"{name} · {shown.name}",
            picture_drawing(shown, result),
            f"{len(shown.score)} predictions" if len(shown.score) != 1 else "1 prediction",
        )
        for name, result in runs.items()
        for shown in result.shown
    ]
    if not figures:
        return []
    return [
        Section(
            "Pictures",
            "Predictions in the colour of the component that made them; the ellipses hold 90 % of the density a"
            " component states. Rest the pointer on a box for its score.",
            figures,
            (),
            component_legend(runs),
        )
    ]


def picture_drawing(shown: Shown, result: Components) -> Markup:
    """A picture as JPEG and its predictions over it, as one inline ``<svg>`` in the picture's pixels."""
    height, width = shown.image.shape[:2]
    unit = max(width, height) / 320
    labels, place = component_names(result), place_of(result)
    parts = [f'<image href="data:image/jpeg;base64,{_jpeg(shown.image.numpy())}" width="{width}" height="{height}"/>']
    for n in shown.score.argsort().tolist():
        component = int(shown.component[n])
        color = f"var(--series-{place[component] % NUM_SERIES + 1})"
        x0, y0, x1, y1 = shown.box_xyxy[n].tolist()
        said = escape(f"{shown.label[n]}, score {float(shown.score[n]):.2f}, component {labels[component]}")
        box = f'x="{x0:.1f}" y="{y0:.1f}" width="{max(x1 - x0, 0):.1f}" height="{max(y1 - y0, 0):.1f}"'
        parts.append(f'<g class="found" stroke="{color}" fill="none"><title>{said}</title>')
        parts.append(f'<rect {box} stroke="#000" stroke-opacity=".45" stroke-width="{2.2 * unit:.1f}"/>')
        parts.append(f'<rect {box} stroke-width="{1.2 * unit:.1f}" fill="#000" fill-opacity="0"/>')
        parts += _pose(shown, n, result, color, unit)
        parts.append("</g>")
    words = escape(f"Predictions on picture {shown.name}")
    return Markup(  # every part is a number, escaped above, or base64
        f'<svg class="plot" viewBox="0 0 {width} {height}" style="overflow:hidden" role="img" aria-label="{words}">'
        + "".join(parts)
        + "</svg>"
    )


def _pose(shown: Shown, n: int, result: Components, color: str, unit: float) -> list[str]:
    if result.skeleton is None or not shown.points.shape[1]:
        return []
    points, covariance = shown.points[n].double().numpy(), shown.covariance[n].double().numpy()
    parts = []
    for k, (x, y) in enumerate(points):
        if (axes := ellipse_axes(covariance[k], RADIUS)) is not None:
            major, minor, angle = axes
            parts.append(
                f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{major:.1f}" ry="{minor:.1f}"'
                f' transform="rotate({angle:.1f} {x:.1f} {y:.1f})" fill="{color}" fill-opacity=".12"'
                f' stroke-width="{0.5 * unit:.1f}"/>'
            )
    for a, b in result.skeleton.edges:
        (xa, ya), (xb, yb) = points[a], points[b]
        parts.append(f'<path d="M{xa:.1f} {ya:.1f}L{xb:.1f} {yb:.1f}" stroke-width="{unit:.1f}"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{unit:.1f}" fill="{color}"/>' for x, y in points]
    return parts


def _jpeg(picture: np.ndarray) -> str:
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((LONGEST, LONGEST))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
