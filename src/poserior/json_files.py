"""Reading JSON: what cannot be read is refused in one sentence that names the file."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from poserior.errors import InputError

LARGEST = 1e9
"""No coordinate, side, area or score of an annotation is beyond; not-a-number is not within either."""


def read_json(path: str | Path) -> Any:
    """The content of a JSON file, unpacked first if its name ends in ``.gz``.

    Raises:
        InputError: the file is missing, cut short, or no JSON.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"expected a readable JSON file at {path}, found: {reason}; correct the path") from None
    return parse_json(data, str(path))


def parse_json(data: bytes, source: str) -> Any:
    """The content of JSON that was read already; `source` is what messages call it.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # syntax, or bytes that are no text
        raise InputError(f"expected JSON in {source}, found: {error}; correct the file") from None


def records(found: Any, where: str) -> list[dict[str, Any]]:
    """A list of mappings, or a complaint; `where` is what it calls their list.

    Raises:
        InputError: it is no list, or an entry is no mapping.
    """
    if not isinstance(found, list):
        raise InputError(f"expected a list in {where}, found {type(found).__name__}; correct the file")
    for number, record in enumerate(found):
        if not isinstance(record, dict):
            raise InputError(f"expected records in {where}, found {record!r:.60} as number {number}; correct the file")
    return found


def check_ids(entries: Any, where: str) -> None:
    """Make sure that every entry is a mapping whose ids, as far as it has them, are whole numbers or names.

    Args:
        entries: annotations, images, categories or results in COCO's form.
        where: what messages call their list.

    Raises:
        InputError: names the entry, the key and what was found.
    """
    for number, entry in enumerate(records(entries, where)):
        for key in ("id", "image_id", "category_id"):
            value = entry.get(key, 0)
            if not isinstance(value, int | str) or isinstance(value, bool):
                raise InputError(
                    f"expected a whole number or a name under {key!r} in {where}, found {value!r:.60} in number"
                    f" {number}; correct it"
                )


def describe(content: Any) -> str:
    """A few words on what a JSON file holds, for messages.

    >>> describe({"info": 1, "images": []}), describe([]), describe(3)
    ('the keys info, images', 'an empty list', 'int')
    """
    if isinstance(content, dict):
        return f"the keys {', '.join(map(str, list(content)[:5]))}" if content else "an empty object"
    if isinstance(content, list):
        return f"a list of {type(content[0]).__name__}" if content else "an empty list"
    return type(content).__name__
