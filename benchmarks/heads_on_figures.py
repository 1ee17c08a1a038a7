"""Every head on the same synthetic people, whose label noise is known: several seeds, one budget, one table.

Each head is trained with every learning rate given for the first seed; the rate with the lower validation NLL is kept
for the other seeds. What is done already is not done again. The network is the demo's (a half-width resnet18).

Run: ``OMP_NUM_THREADS=1 python benchmarks/heads_on_figures.py --output runs/heads``; the table alone: ``--table``.
"""

import argparse
import json
import statistics
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import Any

from poserior.cli.demo import configuration
from poserior.cli.results import measure, table
from poserior.datasets import Figures
from poserior.datasets.figures import HeteroscedasticNoise
from poserior.training import Budget, train
from poserior.training.memory import load_into_memory
from poserior.training.presets import HEADS, preset, split_names

# Maps as large as 64 x 48 pictures allow: features of 2 x 2, three deconvolutions.
OPTIONS: dict[str, dict[str, Any]] = {
    "Heatmap": {"channels": 64, "target_scale": 1.0},
    "Integral": {"channels": 64},
    "SoftArgmaxRLE": {"channels": 64, "num_deconvolutions": 3},
    "AuxiliaryHeatmapRLE": {"channels": 64},
    "Bins": {"image_size": [64, 48], "feature_size": [2, 2], "label_scale": 2.0},
}
COLUMNS = ("PCK@0.2", "EPE", "NLL", "coverage@50", "coverage@90", "pearson", "spearman", "AUSE", "ECE")


def scene(length: int, seed: int) -> Figures:
    noise = HeteroscedasticNoise(size=0.25, hidden=3.0)
    return Figures(length=length, seed=seed, label_noise=noise, occluders=0.15, truncation=0.0)


def one(name: str, seed: int, lr: float, epochs: int, people: Any, held_out: Any, folder: Path) -> dict[str, Any]:
    if not (folder / "metrics.json").exists():
        config = configuration("RLE", 1.0, seed)
        part = preset(name)
        part["init_args"].update(OPTIONS.get(name, {}))
        config = replace(config, head=part, budget=Budget(epochs=epochs), optimiser=replace(config.optimiser, lr=lr))
        train(config, folder, resume=True, data=(people, held_out), title=folder.name)
        measure(folder, held_out, name, device="cpu")
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics


def runs_of(name: str, output: Path) -> list[dict[str, Any]]:
    """The finished runs of a head with its best learning rate (of the first seed)."""
    first = [(json.loads(p.read_text()), p) for p in output.glob(f"{escape(name)}-seed0-lr*/metrics.json")]
    if not first:
        return []
    _, best = min(first, key=lambda found: found[0]["NLL"])
    rate = best.parent.name.split("-lr")[1]
    return [
        {**json.loads(p.read_text()), "lr": float(rate)}
        for p in sorted(output.glob(f"{escape(name)}-seed*-lr{rate}/metrics.json"))
    ]


def show(names: list[str], output: Path) -> str:
    rows = {}
    for name in names:
        runs = runs_of(name, output)
        if not runs:
            continue
        cells = [f"{len(runs)}", f"{runs[0]['lr']:g}"]
        for key in COLUMNS:
            values = [run[key] for run in runs if run.get(key) is not None]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}" if values else "")
        rows[name] = cells
    return table(["seeds", "lr", *COLUMNS], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", default=",".join(HEADS))
    parser.add_argument("--rates", default="4e-3,1e-2")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--people", type=int, default=6000)
    parser.add_argument("--output", type=Path, default=Path("runs/heads"))
    parser.add_argument("--table", action="store_true", help="only print what is there")
    args = parser.parse_args()
    names = split_names(args.heads)
    if not args.table:
        people = load_into_memory(scene(args.people, 0), "people to learn from", workers=1)
        held_out = load_into_memory(scene(400, 1), "held-out people", workers=1)
        for seed in range(args.seeds):
            for name in names:
                rates = (
                    [float(rate) for rate in args.rates.split(",")]
                    if seed == 0
                    else [runs_of(name, args.output)[0]["lr"]]
                )
                for rate in rates:
                    folder = args.output / f"{name}-seed{seed}-lr{rate:g}"
                    one(name, seed, rate, args.epochs, people, held_out, folder)
    print(show(names, args.output))


if __name__ == "__main__":
    main()
