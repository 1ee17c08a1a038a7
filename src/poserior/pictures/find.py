"""The pictures a command names: files, folders, patterns and tar archives, read one at a time."""

import glob
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from poserior.errors import InputError
from poserior.pictures.decode import decode

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


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


def find_pictures(inputs: Sequence[str | Path]) -> list[Picture]:
    """The pictures of files, folders (not their subfolders), patterns such as ``shots/*.jpg``, and ``.tar`` archives.

    Raises:
        InputError: an input does not exist or holds no picture.
    """
    found: list[tuple[Path, str, tuple[int, int] | None]] = []
    for given in inputs:
        path = Path(given)
        new: list[tuple[Path, str, tuple[int, int] | None]]
        if path.is_dir():
            new = [(file, str(file), None) for file in _pictures(path.iterdir())]
            expected = f"pictures ({', '.join(SUFFIXES)}) in the folder"
        elif path.is_file() and path.suffix.lower() == ".tar":
            new = _members(path)
            expected = f"pictures ({', '.join(SUFFIXES)}) in the archive"
        elif path.is_file():
            new, expected = [(path, str(path), None)], ""
        else:
            matches = map(Path, glob.glob(str(given), recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
            new = [(file, str(file), None) for file in _pictures(matches)]
            expected = "a picture, a folder, a .tar archive or a pattern that matches pictures at"
        if not new:
            raise InputError(f"expected {expected} {given}, found none; correct the path")
        found += [item for item in new if item not in found]
    return [
        Picture(name, path, member)
        for name, (path, _, member) in zip(_short_names([name for _, name, _ in found]), found, strict=True)
    ]


def _pictures(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def _members(path: Path) -> list[tuple[Path, str, tuple[int, int] | None]]:
    try:
        with tarfile.open(path, "r:") as archive:
            members = [member for member in archive if member.isfile()]
    except tarfile.TarError:
        raise InputError(f"expected an uncompressed tar archive, found something else in {path}; unpack it") from None
    return [
        (path, member.name.removeprefix("./"), (member.offset_data, member.size))
        for member in members
        if member.name.lower().endswith(SUFFIXES)
    ]


def _short_names(names: Sequence[str]) -> list[str]:
    """File names alone where they are unique, else whole paths without what climbs out of a folder.

    >>> _short_names(["a/1.jpg", "b/2.jpg"]), _short_names(["../a/1.jpg", "b/1.jpg"])
    (['1.jpg', '2.jpg'], ['a/1.jpg', 'b/1.jpg'])
    """
    short = [Path(name).name for name in names]
    if len(set(short)) == len(short):
        return short
    return ["/".join(part for part in Path(name).parts if part not in ("..", Path(name).anchor)) for name in names]
