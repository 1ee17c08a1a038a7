"""Every head on every problem: train twenty nets, measure each, keep the picture of the best."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator

from poserior.toy1d.head import Head1d
from poserior.toy1d.heads import build
from poserior.toy1d.kl import POINTS, axis, kl_to_truth, log_densities, truth
from poserior.toy1d.problems import HIGH, LOW, PROBLEMS, Problem
from poserior.toy1d.train import train

BEST = 5
"""Nets whose mean KL is reported beside that of all, as in the papers."""
PICTURE = 384
"""Points on each axis of a picture."""


@dataclass(frozen=True)
class Settings:
    """What all heads share; the defaults are the papers', but for the candidates.

    Attributes:
        nets: how many are trained.
        epochs: passes over the points.
        points: training points; all nets see the same.
        candidates: M, draws of energy heads for each point and step (the papers': 1024).
        seed: of points, parameters, shuffles and draws.
        grid: points on each axis on which the KL is taken.
    """

    nets: int = 20
    epochs: int = 75
    points: int = 2000
    candidates: int = 128
    seed: int = 0
    grid: int = POINTS


@dataclass(frozen=True)
class Task:
    """One head on one problem."""

    problem: str
    head: str


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    Attributes:
        task: which.
        kl: of every net, in nats, in the order of the seeds.
        density: of the best net, at `PICTURE` x (rows) and y (columns) of [-3, 3].
        seconds: of training and measuring.
    """

    task: Task
    kl: list[float]
    density: Float[np.ndarray, "X Y"]
    seconds: float

    @property
    def summary(self) -> dict[str, float]:
        """The mean KL of the best nets and of all."""
        ordered = sorted(self.kl)
        return {"kl_best5": sum(ordered[:BEST]) / BEST, "kl_mean": sum(ordered) / len(ordered)}


def run_task(task: Task, settings: Settings, tick: Callable[[], None] = lambda: None) -> Outcome:
    """Train and measure one head on one problem."""
    started = time.monotonic()
    problem = problem_of(task.problem)
    x, y = problem.draw(settings.points, Generator().manual_seed(settings.seed))
    head = build(task.head, problem, settings.candidates)
    seeds = [1000 * (settings.seed + 1) + net for net in range(settings.nets)]
    nets = train(head, x, y, seeds, settings.epochs, tick=tick)
    kl = kl_to_truth(problem, head, nets, settings.grid)
    best = int(kl.argmin())
    return Outcome(task, kl.tolist(), density(head, nets[best : best + 1]), time.monotonic() - started)


def density(head: Head1d, net: Float[torch.Tensor, "1 P"], points: int = PICTURE) -> Float[np.ndarray, "X Y"]:
    """The learned density on a coarser grid than the KL's."""
    rows = torch.cat([values[0] for _, values in log_densities(head, net, points)])
    return _per_unit(rows)


def true_density(problem: Problem, points: int = PICTURE) -> Float[np.ndarray, "X Y"]:
    """The truth on the same grid."""
    return _per_unit(truth(problem, axis(points), axis(points)))


def problem_of(name: str) -> Problem:
    """The problem of that name."""
    return next(problem for problem in PROBLEMS if problem.name == name)


def _per_unit(log_mass: torch.Tensor) -> Float[np.ndarray, "X Y"]:
    cell = (HIGH - LOW) / (log_mass.shape[1] - 1)
    return (log_mass.exp() / cell).float().numpy()


def study(
    tasks: Sequence[Task],
    settings: Settings,
    workers: int,
    progress: Callable[[int], None],
    finished: Callable[[Outcome], None],
) -> list[Outcome]:
    """Run the tasks, several at a time, each on one thread.

    Args:
        tasks: what to run.
        settings: of all.
        workers: processes; with 1 everything happens in this one.
        progress: called now and then with the number of epochs done, over all tasks.
        finished: called with each outcome as it comes.

    Returns:
        The outcomes in the order of the tasks.
    """
    if workers == 1:
        return _one_by_one(tasks, settings, progress, finished)
    global _ticks  # noqa: PLW0603  # forked processes inherit it; it cannot be handed over in another way
    fork = multiprocessing.get_context("fork")
    _ticks = fork.Value("q", 0)
    with ProcessPoolExecutor(workers, mp_context=fork, initializer=_one_thread) as pool:
        # the energy heads take longest: started first, none of them is left over for one core at the end
        order = sorted(tasks, key=lambda task: not task.head.startswith("Energy"))
        futures = {pool.submit(_ticking, task, settings): task for task in order}
        outcomes: dict[Task, Outcome] = {}
        try:
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                progress(_ticks.value)
                for future in done:
                    outcomes[futures[future]] = future.result()
                    finished(future.result())
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return [outcomes[task] for task in tasks]


_ticks: Any = None
"""Epochs done by all processes together."""


def _one_by_one(
    tasks: Sequence[Task], settings: Settings, progress: Callable[[int], None], finished: Callable[[Outcome], None]
) -> list[Outcome]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done)

    outcomes = []
    for task in tasks:
        outcomes.append(run_task(task, settings, tick))
        finished(outcomes[-1])
    return outcomes


def _ticking(task: Task, settings: Settings) -> Outcome:
    def tick() -> None:
        with _ticks.get_lock():
            _ticks.value += 1

    return run_task(task, settings, tick)


def _one_thread() -> None:
    torch.set_num_threads(1)
