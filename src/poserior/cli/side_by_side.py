"""Several trainings at once, each in a process and on a core of its own."""

import multiprocessing
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

_job: Callable[[str], Any]
"""What the processes do; they are forked, and find it and all it refers to in their memory."""


def can_fork() -> bool:
    """Elsewhere than on Linux a forked process must not use the system's libraries."""
    return sys.platform == "linux"


def side_by_side(job: Callable[[str], Any], names: Sequence[str], seconds: float, logs: Sequence[Path]) -> list[Any]:
    """``[job(name) for name in names]``, all at once, each on one thread, with one progress bar for all.

    Args:
        job: returns something that can be pickled; may raise.
        names: its arguments.
        seconds: about how long it takes, for the bar.
        logs: each job's ``log.csv``, whose last validation error is shown.
    """
    global _job  # noqa: PLW0603  # what forked processes inherit cannot be handed over in another way
    _job = job
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(len(names), mp_context=fork, initializer=_one_thread) as pool:
        futures = [pool.submit(_run, name) for name in names]
        try:
            _watch(futures, f"train {' and '.join(names)}", seconds, dict(zip(names, logs, strict=True)))
            return [pickle.loads(future.result()) for future in futures]
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _run(name: str) -> bytes:
    # as bytes: tensors would travel as shared memory, which ends with this process
    return pickle.dumps(_job(name))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _watch(futures: Sequence[Future[bytes]], title: str, seconds: float, logs: dict[str, Path]) -> None:
    from tqdm import tqdm

    started = time.monotonic()
    total = round(seconds)
    with tqdm(total=total, desc=title, unit="s", dynamic_ncols=True) as bar:
        waiting = True
        while waiting:
            waiting = bool(wait(futures, timeout=0.5, return_when=FIRST_EXCEPTION).not_done)
            if any(future.done() and future.exception() for future in futures):
                return
            elapsed = time.monotonic() - started
            bar.set_postfix({name: found for name, path in logs.items() if (found := _last_error(path))}, refresh=False)
            bar.update(min(int(elapsed), total) - bar.n)


def _last_error(log: Path) -> str:
    """The last validation error of a run's log, if there is one yet."""
    if not log.exists():
        return ""
    last = log.read_text(encoding="utf-8").splitlines()[-1].rpartition(",")[2]
    return f"{float(last):.1f} px" if last.replace(".", "", 1).isdigit() else ""
