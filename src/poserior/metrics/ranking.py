"""What is the ranking worth? AP of the same people with a constant, a random and a perfect confidence."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poserior.metrics.average_precision import matched_people
from poserior.metrics.coco_files import Json
from poserior.metrics.keypoint_eval import KeypointEval

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
    return frame_of(matched_people(results, annotations, oks_sigmas, category_id), seeds)


def frame_of(people: KeypointEval, seeds: int = 3, own: float | None = None) -> dict[str, float]:
    """`ranking_frame` of people already compared; `own` is their AP as they are, where it is known."""
    count = len(people.scores)
    draws = [np.random.default_rng(seed).random(count) for seed in range(seeds)]
    oracle = people.precision(_true_oks(people))
    own = people.precision(np.array(people.scores, np.float64)) if own is None else own
    return {
        "AP_constant": people.precision(np.ones(count)),
        "AP_random": float(np.mean([people.precision(draw) for draw in draws])),
        "AP_oracle": oracle,
        "oracle_gap": oracle - own,
    }


def _true_oks(people: KeypointEval) -> NDArray[np.float64]:
    """Of every entry: its OKS with the person it is of."""
    oks = np.zeros(len(people.scores))
    for image, similarity in people.similarity.items():
        left = similarity[:, people.counted(image)]
        for _ in range(min(left.shape)):
            row, column = divmod(int(left.argmax()), left.shape[1])
            oks[people.rows[image][row]] = left[row, column]
            left[row], left[:, column] = -1.0, -1.0
    return oks
