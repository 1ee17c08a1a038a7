"""Does a visibility of 0.8 mean that 8 of 10 such keypoints are labelled?"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from poserior.report.method import Method, array
from poserior.report.reliability import diagram


def visibility_panel(methods: Sequence[Method]) -> Markup | None:
    """Share of labelled keypoints per bin of predicted visibility, above its histogram; None without any."""
    known = [
        (m.index, array(m.evaluation.visibility), m.labelled) for m in methods if m.evaluation.visibility is not None
    ]
    known = [
        (index, preds[seen.any(1)], seen[seen.any(1)].astype(np.float64)) for index, preds, seen in known if seen.any()
    ]
    words = "Predicted visibility against the share of keypoints that are labelled, with its histogram below"
    return diagram(known, "visibility", words, "predicted visibility", "share that is labelled", top_end=1.03)
