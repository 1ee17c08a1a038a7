"""What is the ranking worth? AP of the same people with a constant, a random and a perfect confidence."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from poserior.metrics.average_precision import coco_index
from poserior.metrics.coco_files import Json, load_annotations, load_results

KEYS = ("AP_constant", "AP_random", "AP_oracle", "oracle_gap")


def ranking_frame(
    results: Sequence[Json] | str | Path,
    annotations: Json | str | Path,
    oks_sigmas: Sequence[float],
    category_id: int | None = None,
    seeds: int = 3,
) -> dict[str, float]:
    """COCO's AP of the results as they are but for their scores: what any other confidence could make of them.

    The points stay, so recall hardly moves; only who comes first changes. The frame of Table 1 of the CCNet paper.

    - ``AP_constant``: every score is 1. pycocotools then goes by picture, and within one by the results' order.
    - ``AP_random``: scores drawn evenly; the mean over `seeds` draws, always the same ones.
    - ``AP_oracle``: the score is the result's true OKS with the person it is of (the best pairs of a picture first,
      everybody once; 0 for a result that is left over).
    - ``oracle_gap``: ``AP_oracle - AP``, what perfect ranking would add to the scores as they are.

    Args:
        results: see `coco_average_precision`, as the next three.
        annotations: the truth.
        oks_sigmas: one constant per keypoint.
        category_id: whom to count.
        seeds: how many draws, at least 1.

    Raises:
        InputError: a file cannot be used; the sentence names the entry.
        ValueError: less than one draw is asked for.
    """
    if seeds < 1:
        raise ValueError(f"expected at least 1 draw of random scores, found {seeds}; give a positive number")
    truth = load_annotations(annotations, len(oks_sigmas), category_id)
    entries = load_results(results, truth, len(oks_sigmas))
    own = np.array([entry["score"] for entry in entries], dtype=np.float64)
    evaluation = _Rescored(truth, entries, oks_sigmas)
    draws = [np.random.default_rng(seed).random(len(entries)) for seed in range(seeds)]
    oracle = evaluation.precision(evaluation.true_oks())
    return {
        "AP_constant": evaluation.precision(np.ones_like(own)),
        "AP_random": float(np.mean([evaluation.precision(draw) for draw in draws])),
        "AP_oracle": oracle,
        "oracle_gap": oracle - evaluation.precision(own),
    }


class _Rescored(COCOeval):
    """pycocotools' evaluation, whose OKS, which do not depend on scores, are computed once for many scores."""

    def __init__(self, truth: Json, entries: list[Json], oks_sigmas: Sequence[float]) -> None:
        self.entries = entries
        for entry in entries:
            entry["score"] = 1.0  # so that the OKS below are in the entries' own order
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools has no quiet mode
            super().__init__(coco_index(truth, truth["annotations"]), coco_index(truth, entries), "keypoints")
        self.params.kpt_oks_sigmas = np.asarray(oks_sigmas, dtype=np.float64)
        self.params.areaRng, self.params.areaRngLbl = self.params.areaRng[:1], self.params.areaRngLbl[:1]
        inside: Any = self  # what pycocotools' type stubs do not tell of
        inside._prepare()
        self.counted: dict[Any, list[int]] = {}
        self.places: dict[Any, list[int]] = {}
        self.similarity: dict[Any, NDArray[np.float64]] = {}
        most = self.params.maxDets
        for image in truth["images"]:
            key = (image["id"], truth["category_id"])
            people, found = inside._gts[key], inside._dts[key]
            self.counted[key] = [n for n, person in enumerate(people) if not person["ignore"]]
            self.places[key] = [entry["id"] - 1 for entry in found]
            self.params.maxDets = [max(len(found), 1)]
            oks = np.asarray(super().computeOks(*key), dtype=np.float64)
            self.similarity[key] = oks.reshape(len(found), len(people))
        self.params.maxDets = most

    def computeOks(self, imgId: Any, catId: Any) -> NDArray[np.float64]:  # noqa: N802, N803  # pycocotools' names
        """The stored OKS, in the order of the present scores."""
        key = (imgId, catId)
        if not self.similarity[key].size:
            return np.zeros((0, 0))
        scores = np.array([self.entries[n]["score"] for n in self.places[key]])
        order = np.argsort(-scores, kind="mergesort")[: self.params.maxDets[-1]]
        return self.similarity[key][order]

    def true_oks(self) -> NDArray[np.float64]:
        """Of every entry: its OKS with the person it is of."""
        oks = np.zeros(len(self.entries))
        for key, similarity in self.similarity.items():
            left = similarity[:, self.counted[key]]
            for _ in range(min(left.shape)):
                row, column = divmod(int(left.argmax()), left.shape[1])
                oks[self.places[key][row]] = left[row, column]
                left[row], left[:, column] = -1.0, -1.0
        return oks

    def precision(self, scores: NDArray[np.float64]) -> float:
        """AP of these scores, as pycocotools summarises it; not a number where there is nobody to find."""
        for entry, score in zip(self.entries, scores.tolist(), strict=True):
            entry["score"] = score
        with contextlib.redirect_stdout(io.StringIO()):
            self.evaluate()
            self.accumulate()
        values = np.asarray(self.eval["precision"])
        values = values[values > -1]
        return float(values.mean()) if values.size else float("nan")
