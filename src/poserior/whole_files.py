"""Files that are there completely or not at all: written under a temporary name, which then becomes their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from poserior.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name only when the block ends well.

    Raises:
        InputError: the folder cannot be made or written.
    """
    with replacing_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        yield file


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """The name of an empty file to write, which takes the place of `path` only when the block ends well.

    Raises:
        InputError: the folder cannot be made or written.
    """
    # Process numbers are no names: two machines that share a folder may have the same.
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
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview, durable: bool = False) -> None:
    """Write a file whole or not at all.

    Args:
        path: where; its folder is made.
        data: what.
        durable: on the disk before this returns, so that not even a power cut leaves a part.

    Raises:
        InputError: the folder cannot be made or written, or the disk is full; what was there before stays.
    """
    try:
        with replacing_file(path) as temporary, temporary.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"expected to write {len(data) / 1e6:.1f} MB to {path}, found {error.strerror or error}; what was there"
            " before is whole: make room, or choose another folder"
        ) from None


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
