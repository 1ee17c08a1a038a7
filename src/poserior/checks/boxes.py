"""Boxes and areas: missing, empty, elsewhere, or in another unit."""

import numpy as np

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels

MARGIN = 2.0
"""A box may stand out of its picture by so many pixels: rounding."""

FAR = 30.0
"""A person's extent this many times larger or smaller than the median of all is in another unit, or a slip."""


def boxes(labels: Labels) -> list[Finding]:
    """Every person has a box with extent that lies in the picture."""
    x, y, width, height = labels.box_xywh.T
    people = ~labels.crowd
    missing = ~np.isfinite(labels.box_xywh).all(1) & people
    empty = ~missing & people & ~((width > 0) & (height > 0))
    picture_height, picture_width = labels.size_of_person.T
    elsewhere = (x >= picture_width) | (y >= picture_height) | (x + width <= 0) | (y + height <= 0)
    elsewhere &= people & ~missing & ~empty
    sticks = (x < -MARGIN) | (y < -MARGIN) | (x + width > picture_width + MARGIN)
    sticks |= y + height > picture_height + MARGIN
    sticks &= people & ~missing & ~empty & ~elsewhere
    form = "[x, y, width, height]"
    return [
        *finding(
            "box",
            "error",
            "{} people have no box of four finite numbers",
            labels.people(missing),
            f"write bbox as {form}; the smallest box around the labelled points is a start",
            int(missing.sum()),
        ),
        *finding(
            "box",
            "error",
            "{} boxes have no extent or a negative one",
            labels.people(empty),
            f"write bbox as {form}, not as two corners in another order; remove people without extent",
            int(empty.sum()),
        ),
        *finding(
            "box",
            "error",
            "{} boxes lie wholly outside their picture",
            labels.people(elsewhere),
            "correct or remove them; are they of another picture, or of another size of it?",
            int(elsewhere.sum()),
        ),
        *finding(
            "box",
            "warning",
            "{} boxes reach out of their picture",
            labels.people(sticks),
            f"cut them to the picture; if they are many: are they corners instead of {form}?",
            int(sticks.sum()),
        ),
    ]


def areas(labels: Labels) -> list[Finding]:
    """The object's area is there, positive, and no larger than its box."""
    box = labels.box_xywh[:, 2] * labels.box_xywh[:, 3]
    has_points = labels.labelled.any(1) & ~labels.crowd
    missing = has_points & ~np.isfinite(labels.area)
    zero = has_points & (labels.area <= 0)
    large = has_points & (labels.area > 1.01 * box + 1)
    why = "OKS and AP divide by the area"
    return [
        *finding(
            "area",
            "warning",
            "{} people have no area",
            labels.people(missing),
            f"write the mask's area, else 0.53 times the box's: {why}; other tools stop without it",
            int(missing.sum()),
        ),
        *finding(
            "area",
            "error",
            "{} people have an area of 0 or less",
            labels.people(zero),
            f"write the mask's area, else 0.53 times the box's: {why}",
            int(zero.sum()),
        ),
        *finding(
            "area",
            "warning",
            "{} people have an area larger than their box",
            labels.people(large),
            "an area beyond the box makes every OKS too good: write the mask's, else 0.53 times the box's",
            int(large.sum()),
        ),
    ]


def units(labels: Labels) -> list[Finding]:
    """All people are measured in one unit."""
    labelled = labels.labelled
    points = np.where(labelled[..., None], labels.keypoints[..., :2], np.nan)
    enough = (labelled.sum(1) >= 3) & ~labels.crowd
    if not enough.any():
        return []
    extent = _extent(points[enough])
    largest = float(np.nanmax(points[enough]))
    if largest <= 1.5 and np.nanmin(points[enough]) >= -0.5:
        what = "all keypoints lie between 0 and 1"
        advice = "they are shares of the picture: multiply x by its width and y by its height"
        return finding("units", "error", what, [], advice, 1)
    middle = float(np.median(extent[extent > 0])) if (extent > 0).any() else 1.0
    with np.errstate(divide="ignore", over="ignore"):
        ratio = extent / middle
    odd = (ratio > FAR) | (ratio < 1 / FAR)
    index = np.flatnonzero(enough)[odd][np.argsort(-np.abs(np.log(np.maximum(ratio[odd], 1e-9))), kind="stable")]
    what = f"{{}} people are more than {FAR:g} times larger or smaller than the median ({middle:.0f} pixels)"
    advice = "look at them: another unit, or several points in one place"
    return finding("units", "warning", what, labels.people(index), advice, len(index))


def _extent(points: np.ndarray) -> np.ndarray:
    """The longer side of the box around each person's labelled points."""
    with np.errstate(over="ignore"):
        longer: np.ndarray = (np.nanmax(points, 1) - np.nanmin(points, 1)).max(-1)
    return longer
