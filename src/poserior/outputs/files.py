"""Reading and writing the JSON files of predictions and evaluations."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from poserior.errors import InputError
from poserior.json_files import check_ids, describe, read_json


def read_results(path: str | Path) -> list[dict[str, Any]]:
    """A COCO results file: a list of entries.

    Raises:
        InputError: it is missing, broken, no list of objects, or empty.
    """
    content = read_json(path)
    if not isinstance(content, list) or not content or not all(isinstance(entry, dict) for entry in content):
        raise InputError(
            f"expected a list of results {{image_id, category_id, keypoints, score}} in {path},"
            f" found {describe(content)}; write COCO keypoint results"
        )
    check_ids(content, str(path))
    return content


def read_annotations(path: str | Path) -> dict[str, Any]:
    """A COCO annotation file.

    Raises:
        InputError: it is missing, broken, or lacks ``images`` or ``annotations``.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) and all(isinstance(entry, dict) for entry in content[key])
        for key in ("images", "annotations")
    ):
        raise InputError(
            f"expected COCO annotations (lists images and annotations) in {path}, found {describe(content)};"
            " give the file of the labels"
        )
    for key in ("images", "annotations", "categories"):
        check_ids(content.get(key) or [], f"{key!r} of {path}")
    return content


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then give it its own.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"expected to write the {len(data)} bytes of {path}, found {error.strerror}; make room, or choose another"
            " folder"
        ) from None
    finally:
        with suppress(OSError):  # the folder itself may be what is missing
            temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON under a temporary name, then give it its own: nobody ever sees half a file."""
    with replacing(path) as file:
        json.dump(content, file, indent=2, allow_nan=False)
        file.write("\n")


def write_json_list(path: Path, entries: Iterable[Any]) -> int:
    """Write entries, one per line, as they come; the file appears when all are written. Returns how many."""
    count = 0
    with replacing(path) as file:
        file.write("[")
        for entry in entries:
            file.write(("\n" if count == 0 else ",\n") + json.dumps(entry, allow_nan=False))
            count += 1
        file.write("\n]\n")
    return count


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name only when the block ends well.

    Raises:
        InputError: the folder cannot be made or written.
    """
    with replacing_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """The name of an empty file to write, which takes the place of `path` only when the block ends well.

    Raises:
        InputError: the folder cannot be made or written.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise InputError(
            f"expected a folder to write {path.name} in at {path.parent}, found {error.strerror}; choose another"
        ) from None
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
