"""Boxes to look for people in, from a detector's results or from COCO annotations."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from poserior.errors import InputError
from poserior.json_files import LARGEST, check_ids, describe, read_json


@dataclass(frozen=True, eq=False)
class PictureBoxes:
    """The boxes of one picture.

    Attributes:
        image_id: the picture's id as its file has it.
        box_xyxy: ``(N, 4)`` in pixels.
        score: ``(N,)`` the detector's; 1 for annotated boxes.
    """

    image_id: int | str
    box_xyxy: Float32[np.ndarray, "N 4"]
    score: Float32[np.ndarray, "N"]


class BoxFile:
    """The boxes of a COCO annotation file (``images`` and ``annotations``) or of a detection list.

    A detection is ``{image_id, bbox: [x, y, width, height], score, category_id}``. Where a file holds several
    categories, people are those named ``person``, and category 1 (COCO's person) in a bare list. Crowd regions and
    boxes without extent are passed over.

    Args:
        path: the JSON file.

    Raises:
        InputError: the file is missing, broken, or in another form.
    """

    def __init__(self, path: str | Path) -> None:
        content = read_json(path)
        images = content.get("images", []) if isinstance(content, dict) else []
        entries = content.get("annotations") if isinstance(content, dict) else content
        if not isinstance(entries, list):
            raise InputError(
                f"expected a list of detections or COCO annotations in {path}, found {describe(content)};"
                " give image_id, bbox and score for each box"
            )
        self.path = path
        check_ids(entries, str(path))
        categories = content.get("categories", []) if isinstance(content, dict) else []
        try:
            self._ids: dict[str, int | str] = {Path(str(image["file_name"])).name: image["id"] for image in images}
            rows = _people(entries, categories)
            grouped: dict[int | str, list[tuple[list[float], float]]] = {}
            for row in rows:
                x, y, width, height = map(float, row["bbox"])
                score = float(row.get("score", 1.0))
                if not all(abs(value) <= LARGEST for value in (x, y, width, height, score)):
                    raise ValueError(f"a box or score that is no number within +-{LARGEST:.0e}")
                if width > 0 and height > 0:
                    grouped.setdefault(row["image_id"], []).append(([x, y, x + width, y + height], score))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"expected image_id, bbox [x, y, width, height] and score for each box in {path},"
                f" found {_reason(error)}; correct the file"
            ) from None
        self._boxes = grouped

    def __len__(self) -> int:
        return sum(map(len, self._boxes.values()))

    def of(self, name: str, min_score: float = 0.0) -> PictureBoxes | None:
        """The boxes of a picture by its file name; None if the file does not speak of it.

        A picture is known by the file's ``images`` list, else by its id: the file name, its stem, or the number the
        stem stands for (``000000000139.jpg`` is 139). Boxes below `min_score` are left out.
        """
        base, stem = Path(name).name, Path(name).stem
        candidates: list[int | str] = [self._ids[base]] if base in self._ids else []
        candidates += [name, base, stem] + ([int(stem)] if stem.isdecimal() else [])
        for candidate in candidates:
            if candidate in self._boxes:
                found = [(box, score) for box, score in self._boxes[candidate] if score >= min_score]
                return PictureBoxes(
                    candidate,
                    np.array([box for box, _ in found], np.float32).reshape(-1, 4),
                    np.array([score for _, score in found], np.float32),
                )
        if base in self._ids:
            return PictureBoxes(self._ids[base], np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        return None


def _people(entries: list[Any], categories: list[Any]) -> list[dict[str, Any]]:
    rows = [row for row in entries if not row.get("iscrowd", 0)]
    present = {row.get("category_id", 1) for row in rows}
    if len(present) > 1:
        people = {category["id"] for category in categories if category.get("name") == "person"} or {1}
        rows = [row for row in rows if row.get("category_id", 1) in people]
    return rows


def _reason(error: Exception) -> str:
    return f"one without {error}" if isinstance(error, KeyError) else str(error)
