"""Which of the parts a process does, where several share a job."""

import os
from collections.abc import Mapping, Sequence

from poserior.errors import InputError
from poserior.jobs.job import Part


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """The process's number, from 0, and how many there are.

    ``auto`` asks the environment: torchrun's ``RANK`` and ``WORLD_SIZE``, and Slurm's job array; where there are both,
    every task of the array is a group of ranks.

    Args:
        text: ``I/N`` or ``auto``.
        environment: where ``auto`` looks.

    Raises:
        InputError: it is neither, or I is not below N.

    >>> parse_shard("2/8"), parse_shard("auto", {"RANK": "1", "WORLD_SIZE": "4"})
    ((2, 8), (1, 4))
    """
    if text == "auto":
        return _from_environment(environment)
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()) or not int(number) < int(count):
        raise InputError(f"expected --shard I/N with I from 0 to N - 1, or auto, found {text}; correct it")
    return int(number), int(count)


def _from_environment(environment: Mapping[str, str]) -> tuple[int, int]:
    pairs = []
    try:
        if "SLURM_ARRAY_TASK_ID" in environment:
            first = int(environment.get("SLURM_ARRAY_TASK_MIN", 0))
            task, count = int(environment["SLURM_ARRAY_TASK_ID"]), int(environment["SLURM_ARRAY_TASK_COUNT"])
            pairs.append((task - first, count))
        if "RANK" in environment:
            pairs.append((int(environment["RANK"]), int(environment["WORLD_SIZE"])))
    except (KeyError, ValueError) as error:
        raise InputError(
            f"expected whole numbers in the environment's shard, found {error}; give --shard I/N"
        ) from None
    if not pairs:
        raise InputError(
            "expected RANK and WORLD_SIZE, or SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT, in the environment for"
            " --shard auto, found neither; give --shard I/N"
        )
    number, total = 0, 1
    for own, count in pairs:
        number, total = number * count + own, total * count
    if not 0 <= number < total:
        raise InputError(
            f"expected a shard from 0 to {total - 1} in the environment, found {number};"
            " number the array in steps of 1, or give --shard I/N"
        )
    return number, total


def share(parts: Sequence[Part], shard: tuple[int, int]) -> list[Part]:
    """The parts of shard I of N: every N-th, so that a video's parts are spread."""
    number, count = shard
    return [part for part in parts if part.index % count == number]
