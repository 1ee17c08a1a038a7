"""The pictures a command names: files, folders, patterns and tar archives, read one at a time."""

import glob
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError
from poserior.pictures.decode import decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

Place = tuple[str, tuple[int, int] | None]
"""A file, and offset and size inside it where it is an archive."""


@dataclass(frozen=True)
class Picture:
    """One picture that was found, not yet read.

    Attributes:
        name: its file name, or as much of its path as tells it apart from the others.
        path: the file, or the archive it lies in.
        member: offset and size inside an uncompressed archive; None for a file of its own.
    """

    name: str
    path: Path
    member: tuple[int, int] | None = None

    def read(self, upright: bool = True) -> UInt8[np.ndarray, "H W 3"]:
        """The picture as RGB.

        Args:
            upright: turn it as its file asks viewers to (EXIF). COCO's annotations speak of the pixels as stored.

        Raises:
            InputError: it is missing, no picture, or only the beginning of one.
        """
        where = str(self.path) if self.member is None else f"{self.path}, member {self.name}"
        try:
            with self.path.open("rb") as file:
                if self.member is not None:
                    file.seek(self.member[0])
                data = file.read(-1 if self.member is None else self.member[1])
        except OSError as error:
            raise InputError(f"expected a picture at {where}, found {error.strerror}; correct the path") from None
        return decode(data, where, upright)


def read_picture(path: str | Path, upright: bool = True) -> UInt8[np.ndarray, "H W 3"]:
    """A file's picture as RGB; see `Picture.read`."""
    return Picture(Path(path).name, Path(path)).read(upright)


class Pictures(Sequence[Picture]):
    """Many pictures as a light list: names and places only, some 200 bytes each; see `find_pictures`.

    Args:
        places: file, and offset and size where it is an archive.
        names: what to call them.
    """

    def __init__(self, places: Sequence[Place], names: Sequence[str]) -> None:
        self._places, self._names = places, names

    def __len__(self) -> int:
        return len(self._places)

    def rows(self) -> Iterator[tuple[str, Place]]:
        """Names and places, faster than through a `Picture` for each."""
        return zip(self._names, self._places, strict=True)

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> "Pictures": ...

    def __getitem__(self, index: int | slice) -> "Picture | Pictures":
        if isinstance(index, slice):
            return Pictures(self._places[index], self._names[index])
        path, member = self._places[index]
        return Picture(self._names[index], Path(path), member)


def find_pictures(inputs: Sequence[str | Path], recursive: bool = False, without: Path | None = None) -> Pictures:
    """The pictures of files, folders, patterns such as ``shots/*.jpg``, and ``.tar`` archives.

    The order is that of the inputs, within a folder or pattern that of the sorted paths, within an archive its own.

    Args:
        inputs: what to look through.
        recursive: look in the subfolders of folders too.
        without: a folder to leave out of that search, e.g. the one that is written to.

    Raises:
        InputError: an input does not exist or holds no picture.
    """
    found: dict[Place, str] = {}  # to the name that tells it apart
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            new = _files(_below(path, without) if recursive else (entry.path for entry in os.scandir(path)))
            expected = f"pictures ({', '.join(SUFFIXES)}) in the folder"
        elif path.is_file() and path.suffix.lower() == ".tar":
            new = _members(path)
            expected = f"pictures ({', '.join(SUFFIXES)}) in the archive"
        elif path.is_file():
            new, expected = {(str(path), None): str(path)}, ""
        else:
            new = _files(glob.iglob(str(given), recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
            expected = "a picture, a folder, a .tar archive or a pattern that matches pictures at"
        if not new:
            raise InputError(f"expected {expected} {given}, found none; correct the path")
        for place, name in new.items():
            found.setdefault(place, name)
    return Pictures(list(found), short_names(list(found.values())))


def _below(folder: Path, without: Path | None) -> Iterator[str]:
    left_out = None if without is None else without.resolve()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if left_out is None or Path(root, name).resolve() != left_out]
        yield from (os.path.join(root, name) for name in files)  # noqa: PTH118  # 100,000 Path objects are slow


def _files(paths: Iterable[str]) -> dict[Place, str]:
    wanted = (path for path in paths if path.lower().endswith(SUFFIXES))
    return {(path, None): path for path in sorted(str(Path(path)) for path in wanted if os.path.isfile(path))}  # noqa: PTH113


def _members(path: Path) -> dict[Place, str]:
    found: dict[Place, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                if member.isfile() and member.name.lower().endswith(SUFFIXES):
                    found[str(path), (member.offset_data, member.size)] = member.name.removeprefix("./")
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
    except tarfile.TarError:
        raise InputError(f"expected an uncompressed tar archive, found something else in {path}; unpack it") from None
    return found


def short_names(names: Sequence[str]) -> list[str]:
    """File names alone where they are unique, else whole paths without what climbs out of a folder.

    >>> short_names(["a/1.jpg", "b/2.jpg"]), short_names(["../a/1.jpg", "b/1.jpg"])
    (['1.jpg', '2.jpg'], ['a/1.jpg', 'b/1.jpg'])
    """
    short = [Path(name).name for name in names]
    if len(set(short)) == len(short):
        return short
    return ["/".join(part for part in Path(name).parts if part not in ("..", Path(name).anchor)) for name in names]
