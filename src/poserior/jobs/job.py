"""What is to be predicted: a record of plain values, so that any process on any machine can take it up."""

import os
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from poserior.errors import InputError

FREE = {"output", "batch_size", "device", "readers", "skip_unreadable"}
"""Fields that may change when a job is taken up again: the answers do not depend on them."""


@dataclass(frozen=True)
class Job:
    """One prediction of many pictures into one folder.

    Attributes:
        inputs: pictures, folders, patterns, archives, videos.
        run: folders of trained runs (several are an ensemble), or one exported ``.onnx`` file.
        output: the folder for the results.
        recursive: look in the folders' subfolders too.
        boxes: a file with people's boxes; without it, and without a detector, a picture is one person.
        detector: the name of a person detector.
        detector_weights: its weights' file; its usual ones by default.
        detector_threshold: the score from which its boxes count.
        flip_test: fuse the mirrored crop; None does as a file was exported.
        overlays: write a drawn copy of each picture.
        regions: coverage of the fitted regions.
        score_threshold: leave out people that score less.
        oks_nms: of people in a picture whose keypoints' OKS is above, keep the best-scored.
        part_size: pictures, or frames of a video, in a part.
        skip_unreadable: report pictures that cannot be read and go on.
        batch_size: crops per pass.
        device: where to run; a GPU if there is one by default.
        readers: threads that read pictures ahead; one per core, at most 16, by default.
        model: ``"dense"`` for a one-stage network's run, which finds the people, or objects, itself.
        choice: of such a network: which point of a density is the answer.
        scales: of such a network: run at each of these.
        nms: of such a network: the suppression of overlapping boxes; by default one if there are several scales.
        score: of such a network: rank by the centre and what can be expected of the answer, or by the centre alone.
    """

    inputs: tuple[str, ...]
    run: tuple[str, ...]
    output: str
    recursive: bool = False
    boxes: str | None = None
    detector: str | None = None
    detector_weights: str | None = None
    detector_threshold: float | int = 0.5
    flip_test: bool | None = True
    overlays: bool = True
    regions: float | int | None = None
    score_threshold: float | int = 0.0
    oks_nms: float | int | None = None
    part_size: int = 256
    skip_unreadable: bool = False
    batch_size: int = 64
    device: str | None = None
    readers: int | None = None
    model: str = "top-down"
    choice: str = "best"
    scales: tuple[float | int, ...] = (1,)
    nms: str | None = None
    score: str = "expected"

    def __post_init__(self) -> None:
        for name in ("part_size", "batch_size", "readers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(
                    f"expected a {name.replace('_', ' ')} of at least 1, found {value}; give a positive number"
                )
        if self.boxes is not None and self.detector is not None:
            raise InputError("expected either boxes or a detector, found both; give one of them")
        if self.is_dense and (self.boxes is not None or self.detector is not None):
            given = "boxes" if self.boxes is not None else "a detector"
            raise InputError(
                f"expected a one-stage run alone, found {given} with it; it finds objects itself, leave it out"
            )
        if self.is_exported and len(self.run) > 1:
            raise InputError(f"expected one .onnx file or the folders of runs, found {', '.join(self.run)}; give one")

    @property
    def is_exported(self) -> bool:
        """Whether the model is an ``.onnx`` file, which needs no torch."""
        return any(run.endswith(".onnx") for run in self.run)

    @property
    def is_dense(self) -> bool:
        """Whether the model is a one-stage network, which needs no boxes."""
        return self.model == "dense"

    @property
    def folder(self) -> Path:
        """The folder of the results."""
        return Path(self.output)

    @classmethod
    def options(cls) -> list[str]:
        """The names of all fields that have a default, and ``output``."""
        return [field.name for field in fields(cls) if field.name not in ("inputs", "run")]

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """What options are where nobody says, as plain values."""
        values = {field.name: field.default for field in fields(cls) if field.default is not MISSING}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def absolute(self) -> "Job":
        """The same job for a process that was started elsewhere."""
        values = {**asdict(self), "inputs": _absolute(self.inputs), "run": _absolute(self.run)}
        for name in ("output", "boxes", "detector_weights"):
            values[name] = None if values[name] is None else os.path.abspath(values[name])  # noqa: PTH100  # a pattern
        return Job(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "inputs": list(self.inputs), "run": list(self.run), "scales": list(self.scales)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Job":
        """What `to_dict` gave.

        Raises:
            InputError: a key is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if set(content) != known:
            odd = ", ".join(sorted(set(content) ^ known))
            raise InputError(f"expected the keys of a job, found a difference in {odd}; use the version that wrote it")
        tuples = {name: tuple(content[name]) for name in ("inputs", "run", "scales")}
        return cls(**{**content, **tuples})


@dataclass(frozen=True, order=True)
class Part:
    """A stretch of the pictures, or of one video's frames, that is predicted and written as a whole.

    Attributes:
        index: its number among the job's parts.
        source: 0 for the pictures, n for the n-th video.
        start: the first picture or frame.
        stop: the one after the last.
    """

    index: int
    source: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def _absolute(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(os.path.abspath(path) for path in paths)  # noqa: PTH100  # may be a pattern
