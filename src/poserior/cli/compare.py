"""``poserior compare``: several heads, several seeds, one budget, one table."""

import json
import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from poserior.cli.results import SHOWN, measure, numbers, picture_of, table
from poserior.errors import InputError
from poserior.training.config import Optimiser
from poserior.whole_files import replacing

if TYPE_CHECKING:
    from poserior.skeletons import Skeleton
    from poserior.structures import Evaluation
    from poserior.training import Config

SUMMARY = "train several heads under one budget and several seeds -> one table"

TUNED = ("lr", "loss_weight", "weight_decay", "clip", "ema")
"""Settings of the optimiser that a head may have for itself."""

COSTS = ("parameters (M)", "backbone GFLOPs", "head GFLOPs", "step, relative")
"""What the table tells of a model's cost."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    from poserior.cli.configuration import add_configuration
    from poserior.training.presets import HEADS

    options = ArgumentParser(prog="poserior compare", description=SUMMARY)
    options.add_argument(
        "--heads",
        default="L1,RLE",
        metavar="A,B,...",
        help=f"heads, of {', '.join(HEADS)}; with arguments of their own as RLE[log_s=true]",
    )
    options.add_argument("--seeds", type=int, default=1, metavar="N", help="runs of each head")
    options.add_argument("--output", metavar="DIR", help="folder of all runs (default: runs/CONFIG)")
    options.add_argument(
        "--compare",
        type=dict[str, dict[str, float]],
        default={},
        metavar="{HEAD: {lr: ..}}",
        help=f"what single heads have for themselves, of {', '.join(TUNED)}",
    )
    add_configuration(options)
    return options


def run(args: Namespace) -> int:
    """Train what is not trained yet, evaluate, write ``table.md``, ``compare.json`` and ``report.html``."""
    from poserior import outputs
    from poserior.cli.configuration import read_configuration, run_folder
    from poserior.report import write_report
    from poserior.training.presets import preset, split_names
    from poserior.training.run import people

    names = split_names(args.heads)
    heads = {name: preset(name) for name in names}
    if args.seeds < 1:
        raise InputError(f"expected --seeds of at least 1, found {args.seeds}; change it")
    config = read_configuration(args, head=heads[names[0]])
    if config.val_data is None:
        raise InputError("expected val_data to compare on, found none; add it to the configuration")
    configs = {name: _tuned(config, heads[name], name, args.compare) for name in names}
    output = run_folder(args)
    train_people, val_people = people(config.train_data, "train_data"), people(config.val_data, "val_data")

    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(config.seed, config.seed + args.seeds):
        for name in names:
            folder = output / f"{name}-seed{seed}"
            print(f"{name}, seed {seed}: {folder}", flush=True)
            runs[name].append(_run_once(replace(configs[name], seed=seed), folder, name, (train_people, val_people)))

    costs = head_costs(configs, train_people.skeleton)
    text = summary_table(runs, costs)
    summaries = {name: {**summary, "cost": costs[name]} for name, summary in _summaries(runs).items()}
    outputs.write_json(output / "compare.json", {"seeds": args.seeds, "heads": summaries})
    with replacing(output / "table.md") as file:
        file.write(text + "\n")
    first = {name: output / f"{name}-seed{config.seed}" for name in names}
    evaluations = [_evaluation(folder, val_people, name, config) for name, folder in first.items()]
    facts = {
        "Configuration": str(args.config[-1]),
        "Seeds": str(args.seeds),
        "Shown": f"seed {config.seed} of each head",
    }
    shown = {name: values[0] for name, values in runs.items()}
    write_report(evaluations, shown, picture_of(val_people), output / "report.html", "Heads compared", facts)
    print(f"\n{text}\n\nmean and standard deviation over seeds; table.md, compare.json and report.html are in {output}")
    return 0


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (of a sample: divided by N - 1; nan for one value).

    >>> mean_and_spread([1.0, 3.0])
    (2.0, 1.4142135623730951)
    """
    mean = sum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def summary_table(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], costs: Mapping[str, Mapping[str, float]] | None = None
) -> str:
    """Heads down, metrics across, ``mean ± spread`` in the cells; then what each head costs."""
    columns = [key for key in SHOWN if all(key in numbers(values) for head in runs.values() for values in head)]
    rows = {name: [_cell(values, key) for key in columns] for name, values in runs.items()}
    if costs is None:
        return table(columns, rows)
    full = {name: [*cells, *(f"{costs[name][key]:.3g}" for key in COSTS)] for name, cells in rows.items()}
    return table([*columns, *COSTS], full)


def head_costs(configs: Mapping[str, "Config"], skeleton: "Skeleton") -> dict[str, dict[str, float]]:
    """What each configuration's model costs; the time of a training step is relative to the first one's.

    FLOPs are multiply-adds, as pose papers count them.
    """
    import torch

    from poserior.models import build_model
    from poserior.training.cost import model_cost, step_seconds
    from poserior.training.run import model_spec

    models, costs = {}, {}
    with torch.random.fork_rng():
        for name, config in configs.items():
            own = replace(config, backbone=replace(config.backbone, pretrained=False))  # weights cost nothing
            models[name] = build_model(model_spec(own, skeleton))
            costs[name] = model_cost(models[name].backbone, models[name].head, config.image_size)
        device = (
            "cuda" if config.hardware.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available() else "cpu"
        )
        bf16 = config.hardware.precision == "bf16-mixed"
        seconds = step_seconds(models, config.image_size, config.loader.batch_size, device=device, bf16=bf16)
    first = seconds[next(iter(configs))]
    return {
        name: {
            "parameters (M)": (cost.backbone_parameters + cost.head_parameters) / 1e6,
            "backbone GFLOPs": cost.backbone_flops / 1e9,
            "head GFLOPs": cost.head_flops / 1e9,
            "step (s)": seconds[name],
            "step, relative": seconds[name] / first,
        }
        for name, cost in costs.items()
    }


def _cell(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    mean, spread = mean_and_spread([float(values[key]) for values in runs])
    return f"{mean:.4g}" if math.isnan(spread) else f"{mean:.4g} ± {spread:.2g}"


def _summaries(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    summaries: dict[str, Any] = {}
    for name, values in runs.items():
        keys = [key for key in numbers(values[0]) if all(key in numbers(each) for each in values)]
        pairs = {key: mean_and_spread([float(each[key]) for each in values]) for key in keys}
        summaries[name] = {
            "mean": {key: mean for key, (mean, _) in pairs.items()},
            "std": {key: None if math.isnan(spread) else spread for key, (_, spread) in pairs.items()},
            "runs": list(values),
        }
    return summaries


def _tuned(config: "Config", head: Any, name: str, own: Mapping[str, Mapping[str, float]]) -> "Config":
    settings = own.get(name, {})
    unknown = [key for key in settings if key not in TUNED]
    if unknown:
        raise InputError(
            f"expected compare.{name} to hold some of {', '.join(TUNED)}, found {unknown[0]!r}; correct it"
        )
    optimiser = Optimiser(**{**asdict(config.optimiser), **settings})
    return replace(config, head=head, optimiser=optimiser)


def _run_once(config: "Config", folder: Path, name: str, data: tuple[Any, Any]) -> dict[str, Any]:
    """The metrics of one run; trained only where that has not been done."""
    from poserior.training.folder import claim
    from poserior.training.run import train

    finished = folder / "metrics.json"
    if finished.exists():
        claim(folder, config, resume=True)  # refuses a folder of another configuration
        metrics: dict[str, Any] = json.loads(finished.read_text(encoding="utf-8"))
        return metrics
    train(config, folder, resume=True, data=data, title=folder.name)
    return measure(folder, data[1], name, config.loader.batch_size, config.loader.workers)[1]


def _evaluation(folder: Path, people: Any, name: str, config: "Config") -> "Evaluation":
    return measure(folder, people, name, config.loader.batch_size, config.loader.workers)[0]
