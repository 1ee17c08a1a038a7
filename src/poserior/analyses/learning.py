"""How fast did it learn? What a run's log says, epoch by epoch.

Source: Varamesh & Tuytelaars, CVPR 2020, Figure 4.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from poserior.errors import InputError


@dataclass(frozen=True)
class LearningCurve:
    """A run's log.

    Attributes:
        epoch: of each line.
        values: the validation's columns by name, without ``val_``; not a number where a line has none.
    """

    epoch: tuple[float | int, ...]
    values: dict[str, tuple[float, ...]]


def read_learning(path: str | Path) -> LearningCurve | None:
    """The ``val_*`` columns of a ``log.csv``; None where there is no such file.

    Raises:
        InputError: the file has no column ``epoch``.
    """
    path = Path(path)
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return None
    if "epoch" not in rows[0]:
        raise InputError(f"expected a column epoch in {path}, found {', '.join(map(str, rows[0]))}; give a run's log")
    names = [name for name in rows[0] if name and name.startswith("val_")]
    return LearningCurve(
        tuple(_number(row["epoch"]) for row in rows),
        {name.removeprefix("val_"): tuple(_number(row.get(name)) for row in rows) for name in names},
    )


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
