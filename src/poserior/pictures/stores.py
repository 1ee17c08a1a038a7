"""Where pictures lie: a folder, a tar, a zip. Needs no torch."""

import os
import tarfile
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any

from poserior.errors import InputError
from poserior.pictures.decode import CorruptImageError


class Images(ABC):
    """Pictures by name, read only. Processes and threads may share one: nothing seeks in a shared file.

    A name is first looked for as a path from the root, then by its last part alone, if only one picture is so called.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def find(self, name: str) -> str | None:
        """The stored path of the picture `name`, or None."""

    @abstractmethod
    def names(self) -> list[str]:
        """The stored paths of all files, pictures or not."""

    @abstractmethod
    def read(self, stored: str) -> bytes:
        """The bytes of the file at a stored path."""


def open_images(root: str | Path) -> Images:
    """The pictures of a folder, an uncompressed ``.tar`` or a ``.zip``.

    Raises:
        InputError: there is no such folder or archive, or the archive cannot be read.
    """
    path = Path(root)
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise InputError(f"expected a folder, a .tar or a .zip of images, found nothing at {path}; correct the path")
    if zipfile.is_zipfile(path):
        return _Zip(path)
    return _Tar(path)


class _Folder(Images):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._listed: dict[str, frozenset[str]] = {}

    def find(self, name: str) -> str | None:
        relative = _inside(name)
        for candidate in (relative, PurePosixPath(relative.name)):
            if candidate.name in self._files(str(candidate.parent)):
                return str(candidate)
        return None

    def names(self) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())

    def _files(self, folder: str) -> frozenset[str]:
        # One listing of a folder answers for all its pictures: asking file by file is slow on network disks.
        if folder not in self._listed:
            path = self.root / folder
            self._listed[folder] = frozenset(os.listdir(path)) if path.is_dir() else frozenset()  # noqa: PTH208
        return self._listed[folder]

    def read(self, stored: str) -> bytes:
        try:
            return (self.root / stored).read_bytes()
        except OSError as error:
            raise InputError(
                f"expected an image at {self.root / stored}, found none that can be read ({error.strerror});"
                " restore the file"
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_listed": {}}


class _Archive(Images):
    """An archive whose members are known from the start."""

    def __init__(self, root: Path, members: list[str]) -> None:
        super().__init__(root)
        self._by_path = {_tidy(member): member for member in members}
        self._by_name: dict[str, str | None] = {}
        for member in members:
            name = PurePosixPath(member).name
            self._by_name[name] = None if name in self._by_name else member

    def find(self, name: str) -> str | None:
        relative = _inside(name)
        return self._by_path.get(str(relative)) or self._by_name.get(relative.name)

    def names(self) -> list[str]:
        return list(self._by_path.values())


class _Tar(_Archive):
    def __init__(self, root: Path) -> None:
        try:
            with tarfile.open(root, "r:") as archive:
                self._spans = {
                    member.name: (member.offset_data, member.size)
                    for member in archive
                    if member.isreg() and not member.issparse()
                }
        except (tarfile.TarError, OSError, EOFError) as error:
            raise InputError(
                f"expected images in a folder, an uncompressed .tar or a .zip, could not read {root} as one ({error});"
                " unpack or repack it"
            ) from None
        self._path = str(root)
        super().__init__(root, list(self._spans))

    def read(self, stored: str) -> bytes:
        # Opened anew for each picture (some 20 microseconds): no descriptor, hence no file position, is ever shared.
        offset, size = self._spans[stored]
        with open(self._path, "rb", buffering=0) as file:  # noqa: PTH123  # a Path's own open takes twice as long
            file.seek(offset)
            return file.read(size)


class _Zip(_Archive):
    def __init__(self, root: Path) -> None:
        self._archive, self._process = zipfile.ZipFile(root), os.getpid()
        super().__init__(root, [info.filename for info in self._archive.infolist() if not info.is_dir()])

    def read(self, stored: str) -> bytes:
        if self._process != os.getpid():  # a forked process shares the file position with its parent: open anew
            self._archive, self._process = zipfile.ZipFile(self.root), os.getpid()
        try:
            return self._archive.read(stored)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            raise CorruptImageError(
                f"expected an image at {self.root}/{stored}, could not unpack it ({error});"
                " restore the archive, or set skip_corrupt=True to leave such images out"
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_archive"} | {"_process": -1}


def _tidy(name: str) -> str:
    return str(PurePosixPath(name))


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name or ":" in path.parts[0] or "\0" in name:
        raise InputError(f"expected an image's path inside the image folder, found {name!r}; correct the annotations")
    return path
