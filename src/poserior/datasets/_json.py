"""Reading annotation files: every mistake in one gives a sentence that names the file and the entry."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poserior.errors import InputError
from poserior.json_files import LARGEST, records


def entries(content: Any, key: str, path: str | Path) -> list[dict[str, Any]]:
    """The list of records under a key of the file's top."""
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise InputError(
            f"expected a list under the key {key!r} at the top of {path}, found none; is it COCO's format?"
        )
    return records(found, f"{key!r} of {path}")


def column(rows: Sequence[dict[str, Any]], key: str, where: str) -> list[Any]:
    """One key of every record; all must have it."""
    try:
        return [row[key] for row in rows]
    except KeyError:
        bad = next(i for i, row in enumerate(rows) if key not in row)
        raise InputError(
            f"expected the key {key!r} in every record of {where}, found none in {_name(rows, bad)}; add it"
        ) from None


def numbers(
    rows: Sequence[dict[str, Any]], values: Sequence[Any], width: int, key: str, where: str
) -> NDArray[np.float64]:
    """Numbers within `LARGEST` as ``(N, width)``; `rows` only name the culprit."""
    try:
        array = np.array(values, np.float64).reshape(len(rows), -1)
    except (ValueError, TypeError, OverflowError):
        array = np.empty((len(rows), 0))
    if array.shape[1] == width and (np.abs(array) <= LARGEST).all():
        return array
    for i, value in enumerate(values):
        try:
            row = np.array(value, np.float64).ravel()
        except (ValueError, TypeError, OverflowError):
            row = np.empty(0)
        if len(row) != width or not (np.abs(row) <= LARGEST).all():
            found = f"{len(value)} values" if isinstance(value, list) and len(value) != width else f"{value!r:.80}"
            raise InputError(
                f"expected {width} finite numbers under {key!r} (at most {LARGEST:.0e}) in {where}, found {found} in"
                f" {_name(rows, i)}; correct or remove it"
            )
    return np.empty((0, width))


def whole_numbers(rows: Sequence[dict[str, Any]], values: Sequence[Any], key: str, where: str) -> NDArray[np.int64]:
    """Integers as ``(N,)``; `rows` only name the culprit."""
    for i, value in enumerate(values):
        if not isinstance(value, int) or abs(value) >= 2**63:
            raise InputError(
                f"expected a whole number under {key!r} in {where}, found {value!r:.60} in {_name(rows, i)}; correct it"
            )
    return np.array(values, np.int64)


def _name(rows: Sequence[dict[str, Any]], index: int) -> str:
    return f"id {rows[index]['id']!r}" if "id" in rows[index] else f"number {index}"
