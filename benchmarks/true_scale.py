"""Predicted spread against the true one: labels whose noise is known and larger than the model's error.

The noise is Gaussian, `size` of each keypoint's OKS width wide and three times that where a keypoint is hidden. What a
perfect head would predict is ``sqrt(noise^2 + error^2)``, its own error about the true point included. Run:
``OMP_NUM_THREADS=1 python benchmarks/true_scale.py --output runs/true_scale [--heads L1,Gaussian,RLE] [--seeds 2]``.
"""

import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from heads_on_figures import OPTIONS

from poserior import inference, outputs, post_hoc
from poserior.cli.demo import configuration
from poserior.cli.results import table
from poserior.datasets import Figures
from poserior.datasets.figures import HeteroscedasticNoise
from poserior.metrics import spearman
from poserior.training import Budget, train
from poserior.training.memory import InMemory, load_into_memory
from poserior.training.presets import preset, split_names

COLUMNS = ("seen", "hidden", "spearman", "coverage@50", "coverage@80", "coverage@90", "coverage@95", "ECE")


def people(length: int, seed: int, size: float) -> InMemory:
    noise = HeteroscedasticNoise(size=size, hidden=3.0)
    made = Figures(length=length, seed=seed, label_noise=noise, occluders=0.15, truncation=0.0)
    return load_into_memory(made, f"people of seed {seed}", workers=1)


def compare(run: Path, fitted_on: InMemory, held_out: InMemory) -> dict[str, dict[str, float]]:
    """Before and after scale calibration: the ratio of predicted to true spread, their rank correlation, coverage."""
    from poserior.metrics import summarise

    predictor = inference.load(run)
    models = {"as trained": (predictor.model, predictor.spec)}
    models["calibrated"] = post_hoc.scale(
        predictor.model, predictor.spec, fitted_on, full=True, source="other figures", progress=False
    )
    noise = torch.stack([held_out[i].label_law.stddev for i in range(len(held_out))]).square().mean(-1)
    truth = torch.stack([held_out[i].true_keypoints for i in range(len(held_out))])
    found = {}
    for name, (model, spec) in models.items():
        evaluation = inference.evaluate_model(model, spec, held_out, run.name, progress=False)
        wanted = (noise + (evaluation.keypoints - truth).square().mean(-1)).float()
        given = evaluation.covariance.diagonal(dim1=-2, dim2=-1).mean(-1)
        groups = {"seen": evaluation.target_visibility == 2, "hidden": evaluation.target_visibility == 1}
        metrics = summarise(evaluation)
        found[name] = {
            **{group: float((given[mask].mean() / wanted[mask].mean()).sqrt()) for group, mask in groups.items()},
            "spearman": float(spearman(given, noise.float(), evaluation.target_visibility)),
            **{key: metrics[key] for key in COLUMNS[3:]},
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", default="L1,Gaussian,Laplace,DLE,RLE,Mixture,Heatmap")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--size", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("runs/true_scale"))
    args = parser.parse_args()
    train_people, fitted_on, held_out = (people(n, seed, args.size) for n, seed in ((6000, 0), (1000, 11), (1000, 12)))
    rows: dict[str, list[str]] = {}
    for name in split_names(args.heads):
        runs: list[dict[str, dict[str, float]]] = []
        for seed in range(args.seeds):
            folder = args.output / f"{name}-seed{seed}"
            if not (folder / "true_scale.json").exists():
                part: dict[str, Any] = preset(name)
                part["init_args"].update(OPTIONS.get(name, {}))
                config = configuration("RLE", 1.0, seed)
                optimiser = replace(config.optimiser, lr=4e-3)
                config = replace(config, head=part, budget=Budget(epochs=args.epochs), optimiser=optimiser)
                train(config, folder, resume=True, data=(train_people, fitted_on), title=folder.name)
                outputs.write_json(folder / "true_scale.json", compare(folder, fitted_on, held_out))
            runs.append(json.loads((folder / "true_scale.json").read_text()))
        for state in ("as trained", "calibrated"):
            columns = [[run[state][key] for run in runs] for key in COLUMNS]
            rows[f"{name}, {state}"] = [
                f"{statistics.mean(v):.3f}" + (f" ± {statistics.stdev(v):.3f}" if len(v) > 1 else "") for v in columns
            ]
            print(f"{name}, {state}", rows[f"{name}, {state}"], flush=True)
    print(table(list(COLUMNS), rows))


if __name__ == "__main__":
    main()
