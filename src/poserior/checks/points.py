"""Keypoints: flags that do not exist, numbers that are none, points where no point can be."""

import numpy as np

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels

OUTSIDE_BOX = 0.1
"""A labelled point may lie outside its person's box by this share of the box's longer side."""

RARELY = 0.002
"""A keypoint labelled in a smaller share of the people is as good as never labelled."""


def visibility_flags(labels: Labels) -> list[Finding]:
    """Flags are 0 (not labelled), 1 (occluded) or 2 (visible)."""
    flag = labels.keypoints[..., 2]
    wrong = np.isfinite(flag) & ~np.isin(flag, (0, 1, 2))
    values = ", ".join(f"{value:g}" for value in np.unique(flag[wrong])[:5])
    what = f"{{}} keypoints have a visibility other than 0, 1 or 2 ({values})"
    advice = "write 0 for not labelled, 1 for occluded, 2 for visible; a predicted score belongs in a results file"
    return finding("visibility", "error", what, labels.people(wrong.any(1)), advice, int(wrong.sum()))


def not_numbers(labels: Labels) -> list[Finding]:
    """Every coordinate and flag is a finite number."""
    bad = ~np.isfinite(labels.keypoints)
    bad &= ~np.isnan(labels.keypoints).all((1, 2), keepdims=True)  # nothing there at all: told by the counts
    what = "{} keypoints hold NaN, infinity or something that is no number"
    advice = "mark points without a place as not labelled: 0, 0, 0"
    return finding("not-a-number", "error", what, labels.people(bad.any((1, 2))), advice, int(bad.any(-1).sum()))


def at_the_origin(labels: Labels) -> list[Finding]:
    """A point at (0, 0) is nearly always one that nobody placed."""
    origin = labels.labelled & (labels.keypoints[..., :2] == 0).all(-1)
    what = "{} keypoints are labelled at (0, 0)"
    advice = "if nobody placed them, set their visibility to 0"
    return finding("origin", "error", what, labels.people(origin.any(1)), advice, int(origin.sum()))


def off_the_picture(labels: Labels) -> list[Finding]:
    """Labelled points lie in the picture."""
    x, y = labels.keypoints[..., 0], labels.keypoints[..., 1]
    height, width = labels.size_of_person.T[..., None]
    # pixel indices: the picture goes from -0.5 to width - 0.5; files that count from a corner reach width
    off = labels.labelled & ((x < -0.5) | (y < -0.5) | (x > width) | (y > height))
    many = off.sum() > 0.2 * max(labels.labelled.sum(), 1)
    what = "{} labelled keypoints lie outside their picture"
    advice = (
        "so many: are x and y exchanged, or do the coordinates speak of another size of the pictures?"
        if many
        else "set their visibility to 0, or move them"
    )
    return finding("off-picture", "error", what, labels.people(off.any(1)), advice, int(off.sum()))


def outside_the_box(labels: Labels) -> list[Finding]:
    """Labelled points lie in the person's box, or near it."""
    points = labels.keypoints[..., :2]
    corner, sides = labels.box_xywh[:, None, :2], labels.box_xywh[:, None, 2:]
    slack = OUTSIDE_BOX * np.abs(sides).max(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        outside = labels.labelled & ((points < corner - slack) | (points > corner + sides + slack)).any(-1)
    share = outside.sum() / max(labels.labelled.sum(), 1)
    what = f"{{}} labelled keypoints lie outside their person's box by more than {OUTSIDE_BOX:.0%} of it"
    advice = (
        "so many: are the boxes corners (x0, y0, x1, y1) instead of x, y, width, height, or of another picture size?"
        if share > 0.2
        else "look at them: the box is too small, or the point belongs to somebody else"
    )
    worst = np.argsort(-outside.sum(1), kind="stable")[: outside.any(1).sum()]
    severity = "error" if share > 0.2 else "warning"
    return finding("outside-box", severity, what, labels.people(worst), advice, int(outside.sum()))


def declared_counts(labels: Labels) -> list[Finding]:
    """``num_keypoints`` is the number of labelled keypoints."""
    wrong = np.isfinite(labels.count) & (labels.count != (labels.keypoints[..., 2] > 0).sum(1)) & ~labels.crowd
    what = "{} people have another num_keypoints than keypoints with a visibility above 0"
    advice = "count them again: COCO's evaluation passes over people whose num_keypoints is 0"
    return finding("num-keypoints", "warning", what, labels.people(wrong), advice, int(wrong.sum()))


def never_labelled(labels: Labels) -> list[Finding]:
    """Every keypoint is labelled in somebody."""
    people = int(labels.labelled.any(1).sum())
    times = labels.labelled.sum(0)
    if not people:
        what, advice = "nobody has a labelled keypoint", "set the visibility of labelled keypoints to 1 or 2"
        return finding("never-labelled", "error", what, [], advice, 1) if len(labels.annotation) else []
    never = np.flatnonzero(times <= RARELY * people)
    if people < 50:
        never = np.flatnonzero(times == 0)
    where = (f"{labels.names[k]}: {times[k]} of {people} people" for k in never)
    what = "{} of " + str(len(times)) + " keypoints are labelled in nobody or hardly anybody"
    advice = "leave them out of the skeleton: nothing can be learned about them"
    return finding("never-labelled", "warning", what, where, advice, len(never))
