"""Left and right exchanged in the whole set: the picture's left instead of the person's."""

import numpy as np

from poserior.checks.finding import Finding, finding
from poserior.checks.labels import Labels
from poserior.checks.skeleton import mirror_pairs

FACING = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth", "chin")
"""Where one of these is labelled, the person mostly looks this way."""

FEWEST = 30


def whole_set_swapped(labels: Labels) -> list[Finding]:
    """Of people whose eyes are both labelled, the left one lies to the right in the picture: they look at us.

    Eyes are labelled only in faces that can be seen, whatever the body does; so their order does not depend on which
    way people face. Skeletons without eyes cannot be judged in this way.
    """
    plain = [name.lower().replace(" ", "_").replace("-", "_") for name in labels.names]
    eyes = [(a, b) for a, b in mirror_pairs(labels.names) if "eye" in plain[a] and "brow" not in plain[a]]
    if not eyes:
        return []
    left, right = (labels.keypoints[:, [pair[side] for pair in eyes]] for side in (0, 1))
    both = labels.labelled[:, [a for a, _ in eyes]] & labels.labelled[:, [b for _, b in eyes]]
    both &= ~labels.crowd[:, None]
    gap = (left - right)[..., 0]
    told = both & (np.abs(gap) > 0)
    if told.any(1).sum() < FEWEST:
        return []
    share = float((gap[told] > 0).mean())
    if share >= 0.3:  # 0.99 in COCO; half would be chance
        return []
    what = f"the left eye lies left of the right one in {1 - share:.0%} of {int(told.sum()):,} faces"
    advice = (
        "people who look at us have their left eye on the picture's right: are the names left and right the"
        " picture's? Exchange them in the category (or skeleton) for the whole set"
    )
    return finding("left-right", "error", what, [], advice, 1)
