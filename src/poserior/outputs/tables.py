"""Entries of a results file as a table: CSV or Parquet, one row per person or detected box."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from poserior.errors import InputError
from poserior.outputs.person import SCHEMA
from poserior.skeletons import Skeleton
from poserior.whole_files import replacing, replacing_file

TABLE_SUFFIXES = (".csv", ".parquet")
ROWS_PER_GROUP = 4096

_KNOWN = {
    *("schema", "image_id", "category_id", "keypoints", "score", "bbox", "area"),
    *("covariance", "visibility", "confidence", "modes", "size_covariance", "components"),
}
_HEAD = ["schema", "image_id", "category_id", "score", "bbox_x", "bbox_y", "bbox_w", "bbox_h"]
_SIZE = ["size_ww", "size_wh", "size_hh"]


def write_table(entries: Iterable[dict[str, Any]], path: str | Path, skeleton: Skeleton | None) -> int:
    """Write entries of a results file (`coco_entry`, `detection_entry`) as they come; the file appears when all are.

    Columns: `table_columns`. All numbers are those of the entries. Regions and further keys with one number or text
    each (a video's frame, say) have columns if the first entry has them; what is missing, or infinite, is an empty
    field or null. Modes have no columns, for people have different numbers of them.

    Args:
        entries: in the form of ``results.json``.
        path: ends in ``.csv`` or ``.parquet``; of Parquet at most `ROWS_PER_GROUP` rows are in memory.
        skeleton: names the keypoints; None for boxes, whose rows have `size_covariance` in their place.

    Returns:
        How many rows.

    Raises:
        InputError: another suffix, pyarrow is missing, an entry of another skeleton or with regions the first one does
            not have, or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(f"expected a table's name with {' or '.join(TABLE_SUFFIXES)}, found {path.name!r}; rename it")
    write = _write_csv if path.suffix.lower() == ".csv" else _write_parquet
    remaining = iter(entries)
    first = next(remaining, None)
    table = _Table(skeleton, first or {})
    return write(table, remaining if first is None else chain([first], remaining), path)


def table_columns(skeleton: Skeleton | None, regions: Sequence[str] = (), further: Sequence[str] = ()) -> list[str]:
    """The names of a table's columns, in order.

    >>> from poserior import skeletons
    >>> columns = table_columns(skeletons.load("coco17"), ["region_90"])
    >>> columns[:9]
    ['schema', 'image_id', 'category_id', 'score', 'bbox_x', 'bbox_y', 'bbox_w', 'bbox_h', 'area']
    >>> columns[9:17]  # doctest: +NORMALIZE_WHITESPACE
    ['nose_x', 'nose_y', 'nose_xx', 'nose_xy', 'nose_yy', 'nose_visibility', 'nose_confidence', 'nose_region_90']
    """
    if skeleton is None:
        return [*_HEAD, *further, *_SIZE]
    each = ["x", "y", "xx", "xy", "yy", "visibility", "confidence", *regions]
    return [
        *(*_HEAD, "area", *further),
        *(f"{name}_{suffix}" for name in skeleton.keypoints for suffix in each),
    ]


class _Table:
    """What the first entry decides for all: the regions, the further keys, and which of those are text."""

    def __init__(self, skeleton: Skeleton | None, first: dict[str, Any]) -> None:
        self.skeleton = skeleton
        self.regions = [key for key in first if key.startswith("region_")]
        self.further = {
            key: type(value)
            for key, value in first.items()
            if key not in _KNOWN and isinstance(value, int | float | str) and not isinstance(value, bool)
        }
        self.id_type = type(first.get("image_id", ""))
        self.columns = table_columns(skeleton, self.regions, list(self.further))

    @property
    def name(self) -> str:
        """What the entries are of."""
        return "boxes" if self.skeleton is None else self.skeleton.name

    def row(self, entry: dict[str, Any], number: int) -> list[Any]:
        """An entry's values in the order of the columns."""
        try:
            x, y, width, height = entry["bbox"]
            row = [entry["schema"], entry["image_id"], entry["category_id"], entry["score"], x, y, width, height]
            if self.skeleton is None:
                ww, wh, _, hh = entry.get("size_covariance") or [None] * 4
                return [*row, *map(entry.get, self.further), ww, wh, hh]
            row += [entry.get("area"), *map(entry.get, self.further)]
            triples = entry["keypoints"]
            parts = [entry["covariance"], entry["visibility"], entry["confidence"], *map(entry.get, self.regions)]
            if len(triples) != 3 * self.skeleton.num_keypoints:
                raise ValueError(f"{len(triples)} numbers as keypoints")
            for k, (covariance, *others) in enumerate(zip(*parts, strict=True)):
                (xx, xy), yy = covariance[:2], covariance[3 if len(covariance) == 4 else 4]
                row += [triples[3 * k], triples[3 * k + 1], xx, xy, yy, *others]
            if len(row) != len(self.columns):
                raise ValueError(f"{len(others)} values of each of {len(parts[0])} keypoints")
        except (KeyError, TypeError, ValueError, IndexError) as error:
            found = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise InputError(
                f"expected a results entry of {self.name} with the keys of the first, found {found} in entry"
                f" {number}; write entries of one model"
            ) from None
        return row


def _write_csv(table: _Table, entries: Iterable[dict[str, Any]], path: Path) -> int:
    count = 0
    with replacing(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        for entry in entries:
            writer.writerow(table.row(entry, count))
            count += 1
    return count


def _write_parquet(table: _Table, entries: Iterable[dict[str, Any]], path: Path) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            'expected pyarrow to write Parquet with, found it missing; pip install "poserior[parquet]", or write .csv'
        ) from None
    schema = pa.schema(
        [pa.field(name, kind, nullable) for name, kind, nullable in _types(table, pa)],
        {"poserior_schema": str(SCHEMA), "skeleton": table.name, "poserior_version": version("poserior")},
    )
    count = 0
    with replacing_file(path) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for rows in _groups(entries, table.row):
            try:
                by_column = zip(*rows, strict=True)
                columns = [pa.array(column, field.type) for column, field in zip(by_column, schema, strict=True)]
            except (pa.ArrowException, TypeError, OverflowError) as error:
                raise InputError(
                    f"expected values of one type per column in {path}, found {error} in rows {count} to"
                    f" {count + len(rows) - 1}; name all pictures by numbers or all by text, or write .csv"
                ) from None
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            count += len(rows)
    return count


def _types(table: _Table, pa: Any) -> Iterator[tuple[str, Any, bool]]:
    """Column, type and whether it may be null. Doubles: a single is another number than the one in results.json."""
    by_type = {int: pa.int64(), str: pa.string()}
    whole = {"schema": pa.int32(), "category_id": pa.int64(), "image_id": by_type.get(table.id_type, pa.string())}
    kinds = {**{key: by_type.get(kind, pa.float64()) for key, kind in table.further.items()}, **whole}
    for name in table.columns:
        nullable = (
            name in ("area", *_SIZE)
            or name in table.further
            or name.endswith(tuple(f"_{key}" for key in table.regions))
        )
        yield name, kinds.get(name, pa.float64()), nullable


def _groups(
    entries: Iterable[dict[str, Any]], row: Callable[[dict[str, Any], int], list[Any]]
) -> Iterator[list[list[Any]]]:
    rows: list[list[Any]] = []
    for number, entry in enumerate(entries):
        rows.append(row(entry, number))
        if len(rows) == ROWS_PER_GROUP:
            yield rows
            rows = []
    if rows:
        yield rows
