"""What a caller hands over for prediction, pictures with boxes, as a stream of people."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poserior.errors import InputError
from poserior.pictures.find import read_picture


class PersonInPicture(NamedTuple):
    """One person to look for.

    Attributes:
        position: of the picture in the list that was given.
        pixels: the whole picture, RGB, ``(H, W, 3)`` uint8.
        box_xyxy: ``(4,)`` float32.
        score: the box's.
        image_id: what the prediction is to call the picture.
    """

    position: int
    pixels: np.ndarray
    box_xyxy: np.ndarray
    score: float
    image_id: int | str


def each_person(
    images: Sequence[Any],
    boxes: Sequence[Any] | None,
    scores: Sequence[Any] | None,
    image_ids: Sequence[int | str] | None,
) -> Iterator[PersonInPicture]:
    """Every person of every picture; pictures that are paths are read as they come up.

    Args:
        images: RGB pictures ``(H, W, 3)`` of 0..255, or paths. Files are turned upright when there are no boxes.
        boxes: per picture ``(N, 4)`` corners; None takes the whole picture for one person, for all or for one.
        scores: per picture the N boxes' scores; 1 if not given.
        image_ids: what to call the pictures; by default a path's file name or the position.

    Raises:
        InputError: the lists differ in length (at once), or a picture or box cannot be used (when it comes up).
    """
    if not isinstance(images, Sequence) or isinstance(images, str):
        raise InputError(f"expected a list of images, found one {type(images).__name__}; put it in a list")
    for name, values in (("boxes", boxes), ("scores", scores), ("image_ids", image_ids)):
        if values is not None and len(values) != len(images):
            raise InputError(f"expected {name} for each of {len(images)} images, found {len(values)}; match them")
    return _people(images, boxes, scores, image_ids)


def _people(
    images: Sequence[Any],
    boxes: Sequence[Any] | None,
    scores: Sequence[Any] | None,
    image_ids: Sequence[int | str] | None,
) -> Iterator[PersonInPicture]:
    for i, image in enumerate(images):
        pixels = _pixels(image, i, upright=boxes is None)
        box_xyxy = _boxes(None if boxes is None else boxes[i], pixels, i)
        score = _scores(None if scores is None else scores[i], len(box_xyxy), i)
        name = image_ids[i] if image_ids is not None else Path(image).name if isinstance(image, str | Path) else i
        for box, value in zip(box_xyxy, score, strict=True):
            yield PersonInPicture(i, pixels, box, value, name)


def _pixels(image: Any, position: int, upright: bool) -> np.ndarray:
    if isinstance(image, str | Path):
        return read_picture(image, upright)
    pixels = np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8 or pixels.size == 0:
        raise InputError(
            f"expected image {position} as RGB of shape (H, W, 3) and type uint8, found shape {pixels.shape} and"
            f" type {pixels.dtype}; convert it"
        )
    return pixels


def _boxes(boxes: Any, pixels: np.ndarray, position: int) -> np.ndarray:
    if boxes is None:
        return np.array([[0, 0, pixels.shape[1], pixels.shape[0]]], np.float32)
    try:
        box_xyxy = np.asarray(boxes, np.float32)
    except (TypeError, ValueError):
        raise InputError(
            f"expected the boxes of image {position} as (N, 4) corners x0 y0 x1 y1, found rows of different lengths or"
            " something that is no number; correct them"
        ) from None
    if box_xyxy.size == 0:
        return np.zeros((0, 4), np.float32)
    if box_xyxy.ndim != 2 or box_xyxy.shape[1] != 4:
        raise InputError(
            f"expected the boxes of image {position} as (N, 4) corners x0 y0 x1 y1, found shape {box_xyxy.shape};"
            " reshape them"
        )
    return box_xyxy


def _scores(scores: Any, count: int, position: int) -> list[float]:
    if scores is None:
        return [1.0] * count
    if len(scores) != count:
        raise InputError(
            f"expected a score for each of the {count} boxes of image {position}, found {len(scores)}; match them"
        )
    return [float(score) for score in scores]
