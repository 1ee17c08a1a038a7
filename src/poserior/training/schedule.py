"""The course of the learning rate: one pure function."""

import math
from collections.abc import Sequence


def learning_rate_factor(
    step: int,
    progress: float,
    schedule: str,
    warmup: int = 0,
    milestones: Sequence[float] = (),
    gamma: float = 0.1,
) -> float:
    """What the highest learning rate is multiplied by.

    Args:
        step: optimiser steps done so far.
        progress: fraction of the training that is over, by steps or by the clock; held to [0, 1].
        schedule: "cosine", "linear", "step" or "constant".
        warmup: the first `warmup` steps rise on a line; step i has ``(i + 1) / warmup``.
        milestones: fractions of the training at which "step" falls.
        gamma: factor of each such fall.

    >>> [round(learning_rate_factor(9, p, "cosine"), 3) for p in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    >>> learning_rate_factor(4, 0.8, "step", warmup=10, milestones=[0.7, 0.9]) == 0.5 * 0.1
    True
    """
    progress = min(max(progress, 0.0), 1.0)
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    fall = {
        "cosine": 0.5 + 0.5 * math.cos(math.pi * progress),
        "linear": 1.0 - progress,
        "step": gamma ** sum(progress >= milestone for milestone in milestones),
        "constant": 1.0,
    }
    return rise * fall[schedule]
