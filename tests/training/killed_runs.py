"""A training that is killed again and again: ``python killed_runs.py FOLDER KILLS SEED``; prints each attempt's end.

Each attempt is a forked process of this one, which has imported everything and computed nothing. It kills itself when
so many lines of code have run: of the training loop and the data, or also of torch's serialisation, in the midst of
which a checkpoint is made. Any of them may be the last. Which line that is depends on the seed alone.
"""

import os
import random
import signal
import sys
from importlib import import_module
from pathlib import Path

import torch

from poserior import training
from poserior.training import Backbone, Budget, Checkpoint, Config, Hardware, Loader, Optimiser, train

OURS = (str(Path(training.__file__).parent), str(Path(__file__).parent))
# the files whose lines count, and about how many run from a start to the second checkpoint
MOMENTS = ((OURS, 4500), ((*OURS, str(torch.serialization.__file__)), 90_000))

CONFIG = Config(
    head={"class_path": "RLE", "init_args": {"couplings": 2, "neurons": 8, "log_s": True}},  # draws in every step
    train_data={"class_path": "Dots", "init_args": {}},
    image_size=(32, 24),
    backbone=Backbone("test_resnet", options={"drop_rate": 0.2}),
    optimiser=Optimiser(lr=3e-3, warmup=2, ema=0.9, accumulate=2),
    budget=Budget(epochs=4),
    checkpoint=Checkpoint(steps=2, minutes=None),
    loader=Loader(batch_size=2, workers=0),
    hardware=Hardware(accelerator="cpu"),
    tensorboard=False,
)


def attempt(folder: Path, lines: int | None, files: tuple[str, ...]) -> None:
    dots = import_module("conftest").Dots  # beside this file, where pytest does not look
    left = lines

    def count(frame, event, argument):
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    def enter(frame, event, argument):
        return count if (frame.f_code.co_filename or "").startswith(files) else None

    if lines is not None:
        sys.settrace(enter)
    train(CONFIG, folder, resume=True, data=(dots(25), dots(3, seed=1)), progress=False)


def forked(folder: Path, lines: int | None = None, files: tuple[str, ...] = ()) -> int:
    child = os.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            attempt(folder, lines, files)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path, kills: int, seed: int) -> None:
    import_module("conftest")  # once, not in every attempt
    moments = random.Random(seed)
    forked(folder / "whole")
    for kill in range(kills):
        files, most = MOMENTS[kill % 2]
        code = forked(folder / "killed", moments.randint(1, most), files)
        left = sorted(path.name for path in (folder / "killed").glob("*"))
        print("killed" if code == -signal.SIGKILL else code, *left, flush=True)
    print(forked(folder / "killed"), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
