"""What is made of a finished job's results on request: tables, and videos with the people drawn in."""

import math
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from poserior.errors import InputError
from poserior.jobs.folder import JobFolder
from poserior.jobs.frames import frame_name
from poserior.jobs.sources import Sources
from poserior.outputs import VideoWriter, draw_boxes, draw_people, write_table
from poserior.portable import PortablePrediction, PortableRegion
from poserior.skeletons import Skeleton


def write_tables(folder: JobFolder, suffixes: list[str]) -> list[Path]:
    """Write ``results.csv`` or ``results.parquet`` beside a finished job's ``results.json``.

    Args:
        folder: the job's.
        suffixes: ``.csv``, ``.parquet``.

    Returns:
        The files.
    """
    paths = [folder.results.with_suffix(suffix) for suffix in suffixes]
    for path in paths:
        write_table(folder.joined_entries(), path, folder.skeleton())
    return paths


def draw_videos(folder: JobFolder, sources: Sources) -> list[Path]:
    """Write every video of a finished job with the people drawn into its frames, as ``videos/<name>.mp4``.

    The ellipses are those of Gaussians with the predicted covariances (or of the fitted regions).

    Raises:
        InputError: the job has no video, or PyAV is missing.
    """
    if not sources.videos:
        raise InputError("expected a video among the inputs for --video, found none; leave it out")
    skeleton, numbers = folder.skeleton(), {name: n for n, name in enumerate(sources.videos)}
    found = groupby(folder.joined_entries(), key=lambda entry: entry["image_id"])
    following = next(found, None)
    paths = []
    for name, video in sources.videos.items():
        path = folder.path / "videos" / Path(name).with_suffix(".mp4")
        with VideoWriter(path, video.fps, video.size) as writer:
            for number, image in video.frames():
                while following is not None and _place(following[0], numbers) < (numbers[name], number):
                    following = next(found, None)
                entries: list[dict[str, Any]] = []
                if following is not None and following[0] == frame_name(name, number):
                    entries = list(following[1])
                if skeleton is None:
                    writer.write(draw_boxes(image, [_box(entry) for entry in entries], min_side=1))
                else:
                    writer.write(draw_people(image, [_person(entry, skeleton) for entry in entries], min_side=1))
        paths.append(path)
    return paths


def _place(image_id: int | str, numbers: dict[str, int]) -> tuple[int, int]:
    """Where a picture stands in the order of the results: video and frame; pictures come before all videos."""
    name, _, frame = str(image_id).rpartition("#")
    return (numbers[name], int(frame)) if name in numbers and frame.isdecimal() else (-1, 0)


def _person(entry: dict[str, Any], skeleton: Skeleton) -> PortablePrediction:
    """What is drawn of an entry of the results; pixel indices become continuous coordinates again."""
    points = np.array(entry["keypoints"], np.float32).reshape(-1, 3)
    covariance = np.array(entry["covariance"], np.float32)
    axes = math.isqrt(covariance.shape[1])
    x, y, width, height = entry["bbox"]
    regions = {
        float(key.removeprefix("region_")) / 100: PortableRegion(
            np.array([np.inf if radius is None else radius for radius in radii], np.float32),
            np.ones(len(radii), np.float32),
        )
        for key, radii in entry.items()
        if key.startswith("region_")
    }
    return PortablePrediction(
        keypoints=points[:, :2] + 0.5,
        covariance=covariance.reshape(-1, axes, axes)[:, :2, :2],
        visibility=np.array(entry["visibility"], np.float32),
        confidence=np.array(entry["confidence"], np.float32),
        score=entry["score"],
        box_xyxy=np.array([x, y, x + width, y + height], np.float32),
        skeleton=skeleton,
        image_id=entry["image_id"],
        regions=regions,
        component=entry.get("component"),
    )


@dataclass(frozen=True, eq=False)
class _DrawnBox:
    """What is drawn of a detected box; see `poserior.scenes.Detection`."""

    box_xyxy: np.ndarray
    score: float
    centre_score: float
    category: int
    categories: tuple[str, ...]
    component: int
    weights: np.ndarray
    boxes_xyxy: np.ndarray
    size_covariance: np.ndarray
    expected_iou: float | None
    image_id: int | str


def _box(entry: dict[str, Any]) -> _DrawnBox:
    x, y, width, height = entry["bbox"]
    return _DrawnBox(
        box_xyxy=np.array([x, y, x + width, y + height], np.float32),
        score=entry["score"],
        centre_score=entry["centre_score"],
        category=0,
        categories=(entry["category"],),
        component=entry["component"],
        weights=np.ones(1),
        boxes_xyxy=np.zeros((0, 4)),
        size_covariance=np.array(entry.get("size_covariance", [np.nan] * 4)).reshape(2, 2),
        expected_iou=entry.get("expected_iou"),
        image_id=entry["image_id"],
    )
