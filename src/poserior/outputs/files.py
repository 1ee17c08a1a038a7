"""Reading and writing the JSON files of predictions and evaluations."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from poserior.errors import InputError
from poserior.json_files import check_ids, describe, read_json
from poserior.whole_files import replacing


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
