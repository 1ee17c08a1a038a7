"""The models that a job asks for; torch is imported only where a run's folder or a detector is named."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from poserior import outputs
from poserior.jobs.job import Job
from poserior.loading import load
from poserior.pictures import PictureBoxes
from poserior.skeletons import Skeleton

DETECTED_AT_ONCE = 8
Thing = TypeVar("Thing")


@runtime_checkable
class PeoplePredictor(Protocol):
    """`poserior.inference.Predictor`, or the same for an exported model or a one-stage network."""

    @property
    def spec(self) -> Any:
        """Has `skeleton` and, where people are looked for in boxes, `area_per_box`."""

    def __call__(
        self,
        images: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray | None] | None = None,
        scores: Sequence[np.ndarray | None] | None = None,
        image_ids: Sequence[int | str] | None = None,
    ) -> Sequence[Sequence[Any]]:
        """Per picture its people, as `Person`; a one-stage network of boxes gives `Box`."""


def load_predictor(job: Job) -> PeoplePredictor:
    """The job's model, ready to predict.

    Raises:
        InputError: there is no such model, or it cannot do what the job asks for.
    """
    options: dict[str, Any] = {}
    if job.is_dense:
        options = {name: getattr(job, name) for name in ("choice", "scales", "nms", "score")}
        options["threshold"] = job.score_threshold
    return cast(
        PeoplePredictor,
        load(
            list(job.run),
            flip_test=job.flip_test,
            batch_size=job.batch_size,
            device=_device(job),
            regions=job.regions,
            **options,
        ),
    )


def load_detector(job: Job) -> Callable[[Sequence[np.ndarray]], list[PictureBoxes]] | None:
    """The job's detector of people, if it has one."""
    if job.detector is None:
        return None
    from poserior.inference.detector import Detector

    weights = job.detector_weights or "DEFAULT"
    return Detector(job.detector, weights, _device(job), float(job.detector_threshold))


def _device(job: Job) -> str | None:
    """The device that is asked for; without that, of several GPUs the one of torchrun's ``LOCAL_RANK``."""
    rank = os.environ.get("LOCAL_RANK", "")
    if job.device is not None or not rank.isdecimal() or job.is_exported:
        return job.device
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(rank) % count}" if count else None


def drawing(job: Job, skeleton: Skeleton | None) -> Callable[[np.ndarray, Sequence[Any]], np.ndarray]:
    """What draws people into a picture: with the ellipses of their densities where there are densities.

    Without a skeleton, what draws boxes.
    """
    if skeleton is None:
        return outputs.draw_boxes
    if job.is_exported:
        return outputs.draw_people
    from poserior.inference import draw_people

    return draw_people


def in_groups(things: Iterable[Thing], count: int = DETECTED_AT_ONCE) -> Iterator[list[Thing]]:
    """Lists of so many, the last one shorter.

    >>> list(in_groups("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    coming = iter(things)
    while group := list(islice(coming, count)):
        yield group
