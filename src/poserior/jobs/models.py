"""The model that a job asks for; torch is imported only where a run's folder is named."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np

from poserior import outputs
from poserior.jobs.job import Job
from poserior.outputs import Person


@runtime_checkable
class PeoplePredictor(Protocol):
    """`poserior.inference.Predictor`, or the same for an exported model."""

    @property
    def spec(self) -> Any:
        """Has `skeleton` and `area_per_box`."""

    def __call__(
        self,
        images: Sequence[np.ndarray],
        boxes: Sequence[np.ndarray | None] | None = None,
        scores: Sequence[np.ndarray | None] | None = None,
        image_ids: Sequence[int | str] | None = None,
    ) -> Sequence[Sequence[Person]]:
        """Per picture its people."""


def load_predictor(job: Job) -> PeoplePredictor:
    """The job's model, ready to predict.

    Raises:
        InputError: it is no trained run, or has no regions though they are asked for.
    """
    from poserior import inference

    folders = [Path(run) for run in job.run]
    predictor = inference.load(folders, job.flip_test, job.batch_size, job.device, job.regions)
    return cast(PeoplePredictor, predictor)


def drawing(job: Job) -> Callable[[np.ndarray, Sequence[Person]], np.ndarray]:
    """What draws people into a picture: with the ellipses of their densities where there are densities."""
    if job.is_exported:
        return outputs.draw_people
    from poserior.inference import draw_people

    return draw_people
