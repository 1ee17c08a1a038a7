"""Any of the formats, found out from a file's content."""

import csv
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast, runtime_checkable

import yaml

from poserior.errors import InputError
from poserior.formats import coco, deeplabcut, label_studio, table, yolo
from poserior.formats.names import as_skeleton
from poserior.formats.pictures import with_sizes
from poserior.formats.record import Annotations
from poserior.formats.values import read_text
from poserior.json_files import read_json
from poserior.skeletons import Skeleton


@runtime_checkable
class Format(Protocol):
    """What the module of a format has."""

    SUFFIX: str
    """Of its files; empty where it is a folder."""

    def recognises(self, path: Path, content: Any) -> bool:
        """Whether a JSON or YAML file's content, or a table's first row, is of this format."""

    def read(self, path: str | Path, images: Path | None = None, category: str | None = None) -> Annotations:
        """The file's labels."""

    def write(self, annotations: Annotations, path: str | Path) -> None:
        """Write them."""

    def lost(self, annotations: Annotations) -> list[str]:
        """What of them it cannot hold."""


FORMATS: "MappingProxyType[str, Format]" = MappingProxyType(
    {
        "coco": cast(Format, coco),
        "csv": cast(Format, table),
        "yolo": cast(Format, yolo),
        "dlc": cast(Format, deeplabcut),
        "label-studio": cast(Format, label_studio),
    }
)


def read(
    path: str | Path,
    format: str = "auto",
    images: str | Path | None = None,
    skeleton: Skeleton | None = None,
    category: str | None = None,
) -> Annotations:
    """The labels of a file or folder of any format.

    Args:
        path: what the labelling tool wrote.
        format: ``coco``, ``csv``, ``yolo``, ``dlc`` or ``label-studio``; ``auto`` looks at the content.
        images: the folder of the pictures: then each must be there, and the sizes are theirs. For YOLO the folder
            that ``data.yaml``'s paths start from.
        skeleton: what the keypoints are: names, order, edges and mirror pairs are then its own.
        category: of things of several kinds the one to take; where the format has no kinds, what the thing is called.

    Raises:
        InputError: the format cannot be told, or the file is not in it.
    """
    path, root = Path(path), None if images is None else Path(images)
    name = detect(path) if format == "auto" else format
    annotations = format_of(name).read(path, root, category)
    if skeleton is not None:
        annotations = as_skeleton(annotations, skeleton)
    if not annotations.images:
        raise InputError(f"expected at least one labelled picture in {path}, found none; give another file")
    return annotations if root is None or name == "yolo" else with_sizes(annotations, root)


def write(annotations: Annotations, path: str | Path, format: str) -> None:
    """Write labels; a file takes its name only when it is whole.

    Raises:
        InputError: the format needs pictures' sizes that are not known, or the place cannot be written.
    """
    format_of(format).write(annotations, path)


def lost(annotations: Annotations, format: str) -> list[str]:
    """What a format cannot hold of these labels, in a few words each."""
    return format_of(format).lost(annotations)


def format_of(name: str) -> Format:
    """The module of a format."""
    if name not in FORMATS:
        raise InputError(f"expected a format ({', '.join(FORMATS)}), found {name!r}; choose one")
    return FORMATS[name]


def detect(path: str | Path) -> str:
    """Which format a file or folder is in, by its content.

    Raises:
        InputError: it is missing or in none of them.
    """
    path = Path(path)
    if path.is_dir():
        if any((path / name).is_file() for name in ("data.yaml", "data.yml", "dataset.yaml")):
            return "yolo"
        if deeplabcut.tables(path):
            return "dlc"
        raise InputError(f"expected data.yaml (YOLO) or CollectedData_*.csv (DeepLabCut) in {path}, found neither")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(f"expected labels at {path}, found {error.strerror}; correct the path") from None
    if start == b"\x89HDF":
        raise InputError(f"expected text in {path}, found HDF5; give the .csv that DeepLabCut writes beside it")
    content = _content(path)
    for name, module in FORMATS.items():
        if module.recognises(path, content):
            return name
    raise InputError(
        f"expected labels in one of the formats {', '.join(FORMATS)} in {path}, found none of them; for YOLO give"
        " data.yaml, for Label Studio the JSON export, for a table a column 'image'"
    )


def _content(path: Path) -> Any:
    """A JSON or YAML file's content, or a table's first row."""
    if path.name.endswith((".json", ".json.gz")):
        return read_json(path)
    text = read_text(path)
    if path.suffix in (".yaml", ".yml"):
        try:
            return yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError(f"expected YAML in {path}, found: {' '.join(str(error).split())}; correct it") from None
    first = text.split("\n", 1)[0]
    try:
        return [cell.strip() for cell in next(csv.reader([first], delimiter=max(",;\t", key=first.count)), [])]
    except csv.Error:
        return None
