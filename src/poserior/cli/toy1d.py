"""``poserior demo --problem toy1d``: every head on two one-dimensional problems whose densities are known."""

import os
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poserior.cli.results import table
from poserior.cli.side_by_side import can_fork
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.report import DensityProblem
    from poserior.toy1d import Outcome, Settings

SLICES = {"problem1": (-2.2, -1.2, 1.5), "problem2": (-2.0, 0.0, 2.0)}
"""Where the report cuts through the densities."""


def run(args: Namespace) -> int:
    """Train the heads on both problems, write ``toy1d.json``, ``report.html`` and ``toy1d.jpg``, print the table."""
    from poserior.outputs import write_json
    from poserior.report import write_density_report, write_density_sheet
    from poserior.toy1d import HEADS, PROBLEMS, Settings, Task
    from poserior.toy1d.heads import check

    names = list(HEADS) if args.heads is None else [name.strip() for name in args.heads.split(",")]
    for name in names:
        check(name)
    if len(set(names)) < len(names):
        raise InputError(f"expected every head once, found {args.heads}; correct the list of heads")
    _at_least("--nets", args.nets, 5)
    _at_least("--epochs", args.epochs, 1)
    _at_least("--candidates", args.candidates, 2)
    _at_least("--seed", args.seed, 0)
    settings = Settings(nets=args.nets, epochs=args.epochs, candidates=args.candidates, seed=args.seed)
    output = Path(args.output or "runs/toy1d")

    started = time.monotonic()
    tasks = [Task(problem.name, name) for name in names for problem in PROBLEMS]
    outcomes = {outcome.task: outcome for outcome in _outcomes(tasks, settings, output / "outcomes")}
    found = {problem.name: {name: outcomes[Task(problem.name, name)] for name in names} for problem in PROBLEMS}
    summaries = {key: {name: outcome.summary for name, outcome in heads.items()} for key, heads in found.items()}
    write_json(output / "toy1d.json", summaries)
    shown = [_shown(problem, found[problem.name]) for problem in PROBLEMS]
    report = write_density_report(shown, output / "report.html", "Which densities can each head learn?", _facts(args))
    write_density_sheet(shown, output / "toy1d.jpg")
    minutes = (time.monotonic() - started) / 60
    legend = f"KL to the truth in nats: mean of the 5 best of {args.nets} nets, mean of all; seconds: of both problems"
    print(f"\n{_table(found)}\n\n{legend}\n{minutes:.1f} minutes; open {report}")
    return 0


def _at_least(option: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"expected {option} of at least {least}, found {value}; change it")


def _outcomes(tasks: Sequence[Any], settings: "Settings", folder: Path) -> "list[Outcome]":
    """Of an earlier run with the same settings where there are such, the others fresh."""
    from tqdm import tqdm

    from poserior.toy1d import study
    from poserior.toy1d.store import load, save

    done = {task: outcome for task in tasks if (outcome := load(folder, task, settings)) is not None}
    missing = [task for task in tasks if task not in done]
    with tqdm(total=len(missing) * settings.epochs, desc="train", unit="epoch", dynamic_ncols=True) as bar:

        def finished(outcome: "Outcome") -> None:
            save(folder, outcome, settings)
            best = outcome.summary["kl_best5"]
            bar.write(f"{outcome.task.problem} {outcome.task.head}: KL {best:.3f}, {outcome.seconds:.0f} s")

        workers = min(_cores(), len(missing)) if can_fork() else 1
        fresh = study(missing, settings, max(workers, 1), lambda count: _advance(bar, count), finished)
    done |= {outcome.task: outcome for outcome in fresh}
    return [done[task] for task in tasks]


def _advance(bar: Any, count: int) -> None:
    bar.update(count - bar.n)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shown(problem: Any, outcomes: "dict[str, Outcome]") -> "DensityProblem":
    from poserior.report import DensityProblem, Learned
    from poserior.toy1d.study import true_density

    learned = [Learned(name, outcome.density, **outcome.summary) for name, outcome in outcomes.items()]
    return DensityProblem(problem.says, true_density(problem), learned, SLICES[problem.name])


def _facts(args: Namespace) -> dict[str, str]:
    heads = "" if args.heads is None else f" --heads {args.heads}"
    return {
        "Data": "2,000 points of each problem, x uniform on [-3, 3]",
        "Training": f"{args.nets} nets of each head, {args.epochs} epochs, batches of 32, Adam 1e-3, layers of size 10",
        "Energy heads": f"{args.candidates} candidates for each point and step",
        "Measure": "KL on 2048 x 2048 points of [-3, 3] x [-3, 3]",
        "Command": f"poserior demo --problem toy1d{heads} --nets {args.nets} --epochs {args.epochs}"
        f" --candidates {args.candidates} --seed {args.seed}",
    }


def _table(found: "dict[str, dict[str, Outcome]]") -> str:
    columns = [column for problem in found for column in (f"{problem} best 5", "all")] + ["seconds"]
    rows: dict[str, list[str]] = {}
    for heads in found.values():
        for name, outcome in heads.items():
            summary = outcome.summary
            rows.setdefault(name, []).extend([f"{summary['kl_best5']:.3f}", f"{summary['kl_mean']:.3f}"])
    for name, cells in rows.items():
        cells.append(f"{sum(heads[name].seconds for heads in found.values()):.0f}")
    return table(columns, rows)
