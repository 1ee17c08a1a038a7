"""The same parts on a Ray cluster: each worker holds the model, Ray hands out the parts and replaces lost workers."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

from poserior.errors import InputError
from poserior.jobs.job import Job, Part
from poserior.jobs.worker import Worker, run_part


class PartWorker:
    """What Ray starts in each of its processes.

    Args:
        job: `Job.to_dict`.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        self.said: list[str] = []
        self.worker = Worker(Job.from_dict(job), say=self.said.append)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Do one part; what a user can mend comes back in words, for Ray would wrap an exception."""
        part, error = Part(**row), ""
        self.said.clear()
        try:
            run_part(self.worker, part)
        except InputError as refused:
            error = str(refused)
        return {"pictures": len(part), "error": error, "said": "\n".join(self.said)}


def run_on_ray(
    job: Job,
    parts: Sequence[Part],
    workers: int | None,
    advance: Callable[[int], object],
    say: Callable[[str], object],
) -> None:
    """Do parts in Ray's actors; a part that was being done when its worker died is done again by another.

    Uses the cluster that ``RAY_ADDRESS`` names, else starts Ray on this machine. All machines must see the job's paths
    and have this library installed.

    Args:
        job: with absolute paths.
        parts: what to do.
        workers: how many at a time; by default one per GPU, or one per two cores where there is none.
        advance: is called with the number of pictures of each part that is done.
        say: takes messages about single pictures.

    Raises:
        InputError: ray is missing, or a part cannot be done.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Under `uv run` Ray would pack the working folder and build its environment anew in every worker.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        ray: Any = import_module("ray")
        import_module("ray.data")
    except ImportError:
        raise InputError('expected ray for --engine ray, found it missing; pip install "poserior[cluster]"') from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    resources = ray.cluster_resources()
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
    count = min(workers or gpus or max(cores // 2, 1), len(parts))
    rows = ray.data.from_items([asdict(part) for part in parts], override_num_blocks=len(parts))
    done = rows.map(
        PartWorker,
        fn_constructor_args=(job.to_dict(),),
        compute=ray.data.ActorPoolStrategy(size=count),
        num_gpus=min(1, gpus / count) if gpus else None,
    )
    for row in done.iter_rows():
        if row["said"]:
            say(row["said"])
        if row["error"]:
            raise InputError(row["error"])
        advance(row["pictures"])
