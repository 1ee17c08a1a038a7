"""All checks in one place: the only file that knows which there are."""

from collections.abc import Callable
from typing import Any

import numpy as np

from poserior.checks.boxes import areas, boxes, units
from poserior.checks.finding import Finding, by_severity
from poserior.checks.labels import Labels, read_labels
from poserior.checks.people import duplicate_people
from poserior.checks.points import (
    at_the_origin,
    declared_counts,
    never_labelled,
    not_numbers,
    off_the_picture,
    outside_the_box,
    visibility_flags,
)
from poserior.checks.sides import swapped_people
from poserior.checks.skeleton import category_edges, category_names, skeleton_pairs
from poserior.checks.whole_set import whole_set_swapped
from poserior.skeletons import Skeleton

CHECKS: tuple[Callable[[Labels], list[Finding]], ...] = (
    visibility_flags,
    not_numbers,
    at_the_origin,
    off_the_picture,
    outside_the_box,
    declared_counts,
    never_labelled,
    boxes,
    areas,
    units,
    duplicate_people,
    category_edges,
    category_names,
    whole_set_swapped,
    swapped_people,
)
"""Every check of labels alone."""


def examine(content: Any, skeleton: Skeleton | None = None) -> tuple[Labels, list[Finding]]:
    """What is wrong with annotations, without looking at pictures.

    Args:
        content: a COCO keypoint file's content, however broken.
        skeleton: what the keypoints should be; by default what the file's category says.

    Returns:
        The labels as far as they could be understood, and the findings, errors first.

    >>> labels, findings = examine({"annotations": 3})
    >>> findings[0].what
    "there is no list under 'images' at the top of the file"
    """
    labels, findings = read_labels(content, skeleton)
    with np.errstate(all="ignore"):  # broken numbers are what is looked for
        for check in CHECKS:
            findings += check(labels)
    if skeleton is not None:
        findings += skeleton_pairs(skeleton)
    return labels, by_severity(findings)
