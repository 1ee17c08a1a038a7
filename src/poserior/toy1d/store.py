"""Finished tasks on disk, so that a run that was stopped goes on where it was."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from poserior.errors import InputError
from poserior.toy1d.study import Outcome, Settings, Task
from poserior.whole_files import replacing_file


def save(folder: Path, outcome: Outcome, settings: Settings) -> None:
    """Keep an outcome beside the settings that it came from; the file appears complete or not at all."""
    path = _path(folder, outcome.task)
    with replacing_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            kl=np.array(outcome.kl),
            density=outcome.density.astype(np.float16),  # for pictures alone
            seconds=outcome.seconds,
            settings=json.dumps(asdict(settings)),
        )


def load(folder: Path, task: Task, settings: Settings) -> Outcome | None:
    """The outcome of an earlier run with the same settings, if it is there."""
    path = _path(folder, task)
    if not path.exists():
        return None
    try:
        with np.load(path) as content:
            found = json.loads(str(content["settings"]))
            if found != asdict(settings):
                raise InputError(
                    f"expected results of the same settings in {folder}, found others ({_difference(found, settings)});"
                    " choose another --output"
                )
            density = content["density"].astype(np.float32)
            return Outcome(task, content["kl"].tolist(), density, float(content["seconds"]))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"expected finished results in {path}, found a broken file ({error}); delete it") from None


def _path(folder: Path, task: Task) -> Path:
    return folder / f"{task.problem}-{task.head.replace('[', '-').rstrip(']')}.npz"


def _difference(found: dict[str, object], settings: Settings) -> str:
    wanted = asdict(settings)
    return ", ".join(f"{key} {found.get(key)}" for key in wanted if found.get(key) != wanted[key])
