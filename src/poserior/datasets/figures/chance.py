"""Small helpers of chance."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

Number = float | int


def choose(rng: np.random.Generator, weights: Sequence[Number]) -> int:
    """An index with probability proportional to its weight; quicker than `Generator.choice` on short lists.

    >>> [choose(np.random.default_rng(0), (0, 1, 0)) for _ in range(3)]
    [1, 1, 1]
    """
    sums = list(accumulate(weights))
    return min(bisect_right(sums, rng.random() * sums[-1]), len(sums) - 1)
