"""Numbers, names and files from strangers: each mistake gives one sentence that says where it is."""

import contextlib
import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

from poserior.errors import InputError
from poserior.whole_files import write_bytes

LIMIT = 1e7  # pixels; a picture of that size does not exist, and arithmetic stays far from overflow


def number(value: Any, where: str, what: str = "a finite number") -> float:
    """A finite number of reasonable size, given as a number or, in text files, as its text."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not (abs(value) < LIMIT):
        raise InputError(f"expected {what} in {where}, found {_short(value)}; correct it")
    return float(value)


def flag(value: Any, where: str) -> int:
    """A visibility: 0, 1 or 2."""
    found = number(value, where, "a visibility of 0 (not labelled), 1 (hidden) or 2 (visible)")
    if found not in (0, 1, 2):
        raise InputError(f"expected a visibility of 0, 1 or 2 in {where}, found {_short(value)}; correct it")
    return int(found)


def image_name(name: Any, where: str) -> str:
    """A picture's path inside the image folder, with ``/``: never one that leaves it."""
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"expected a picture's file name in {where}, found {_short(name)}; correct it")
    path = PurePosixPath(name.strip().replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or not path.name
        or ":" in path.parts[0]
        or any(ord(letter) < 32 for letter in name)
    ):
        raise InputError(
            f"expected a picture's path inside the image folder in {where}, found {_short(name)}; write it as seen"
            " from that folder"
        )
    return str(path)


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise InputError(f"expected an object in {where}, found {_short(value)}; correct the file")
    return value


def listing(value: Any, where: str) -> list[Any]:
    """A JSON list."""
    if not isinstance(value, list):
        raise InputError(f"expected a list in {where}, found {_short(value)}; correct the file")
    return value


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte-order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"expected a file at {path}, found {error.strerror}; correct the path") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected text in UTF-8 in {path}, found other bytes at position {error.start}; save it as UTF-8"
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """One JSON document."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def rounded(value: float) -> float:
    """To a ten-thousandth of a pixel; whole numbers without a sign of zero.

    >>> rounded(1 / 3), rounded(-1e-9)
    (0.3333, 0.0)
    """
    return round(value, 4) + 0.0


def plain(value: float) -> str:
    """The same as text, without idle digits.

    >>> plain(12.0), plain(1 / 3)
    ('12', '0.3333')
    """
    near = rounded(value)
    return str(int(near)) if math.isfinite(near) and near == int(near) else repr(near)


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) < 80 else f"{repr(value)[:76]} ..."
