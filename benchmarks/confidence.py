"""What calibration after training is worth: confidence and coverage before and after, on people that it has not seen.

Every method is fitted on all folds but one and measured on that one, picture by picture, so that nobody is scored by
numbers fitted on their own picture; the folds' answers are then measured together. On Figures the folds are two sets of
people of their own. Run:
``OMP_NUM_THREADS=1 python benchmarks/confidence.py --faces DIR --output OUT RUN...`` or ``--figures 1000`` for runs of
``benchmarks/heads_on_figures.py``. ``--shift blur|occlusion`` disturbs the people who are measured, not those who are
fitted on.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cv2
import torch
from heads_on_figures import scene
from torch.utils.data import Dataset, Subset

from poserior import inference, outputs, post_hoc
from poserior.cli.results import table
from poserior.datasets import FaceKeypoints, KeypointDataset, Lsp
from poserior.metrics import summarise
from poserior.models import ModelSpec, Regressor
from poserior.structures import Evaluation, Sample
from poserior.training.memory import load_into_memory

COLUMNS = (
    *("AP", "AR", "AP_constant", "AP_oracle", "NLL", "coverage@50", "coverage@80", "coverage@90", "coverage@95"),
    *("pearson", "spearman", "pearson_instance", "AUSE", "ECE"),
)
Fitted = tuple[Regressor, ModelSpec]


def as_trained(model: Regressor, spec: ModelSpec, _people: Dataset[Sample], **_options: Any) -> Fitted:
    return model, spec


def factors(model: Regressor, spec: ModelSpec, people: Dataset[Sample], **options: Any) -> Fitted:
    return post_hoc.scale(model, spec, people, full=False, **options)


def scale_then_ccnet(model: Regressor, spec: ModelSpec, people: Dataset[Sample], **options: Any) -> Fitted:
    return post_hoc.ccnet(*post_hoc.scale(model, spec, people, **options), people, **options)


METHODS: dict[str, Callable[..., Fitted]] = {
    "as trained": as_trained,
    "closed form": post_hoc.closed_form,
    "factors": factors,
    "scale": post_hoc.scale,
    "CCNet": post_hoc.ccnet,
    "scale then CCNet": scale_then_ccnet,
}


class Shifted(Dataset[Sample]):
    """People whose pictures are blurred, or lose a grey square about a random keypoint."""

    def __init__(self, people: Dataset[Sample], shift: str) -> None:
        self.people, self.shift = people, shift

    def __len__(self) -> int:
        return len(self.people)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Sample:
        person = self.people[index]
        image = person.image.numpy().copy()
        side = float((person.box_xyxy[2:] - person.box_xyxy[:2]).max())
        if self.shift == "blur":
            image = cv2.GaussianBlur(image, (0, 0), 0.04 * side)
        else:
            seen = (person.visibility > 0).nonzero().flatten()
            x, y = person.keypoints[seen[index % len(seen)]].tolist() if len(seen) else (0.0, 0.0)
            reach = 0.15 * side
            top, left = max(int(y - reach), 0), max(int(x - reach), 0)
            image[top : int(y + reach) + 1, left : int(x + reach) + 1] = 128
        return replace(person, image=torch.from_numpy(image))


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Several evaluations of one model as one."""
    values: dict[str, Any] = {}
    for field in fields(Evaluation):
        column = [getattr(part, field.name) for part in parts]
        if isinstance(column[0], torch.Tensor):
            values[field.name] = torch.cat(column)
    # Pictures of two sets may have the same number.
    values["image_id"] = tuple(f"{n}-{name}" for n, part in enumerate(parts) for name in part.image_id)
    values["annotation_id"] = tuple(range(1, len(values["image_id"]) + 1))
    return replace(parts[0], **values)


def dealt(people: KeypointDataset, folds: int) -> list[Dataset[Sample]]:
    return [Subset(people, list(range(start, len(people), folds))) for start in range(folds)]


def folds_of(args: argparse.Namespace) -> list[Dataset[Sample]]:
    if args.faces:
        return dealt(FaceKeypoints(args.faces, "val"), args.folds)
    if args.lsp:
        return dealt(Lsp(args.lsp, "val"), 2)
    parts = [scene(args.figures, seed) for seed in (11, 12)]
    return [load_into_memory(part, "people", workers=1) for part in parts]


def measure(run: Path, folds: list[Dataset[Sample]], method: str, shift: str) -> dict[str, Any]:
    predictor = inference.load(run)
    parts = []
    for number, held_out in enumerate(folds):
        others: Dataset[Sample] = torch.utils.data.ConcatDataset([f for n, f in enumerate(folds) if n != number])
        options = {"source": f"folds but {number}", "batch_size": 64, "progress": False}
        model, spec = METHODS[method](predictor.model, predictor.spec, others, **options)
        shown = Shifted(held_out, shift) if shift else held_out
        parts.append(inference.evaluate_model(model, spec, shown, run.name, progress=False))
    return dict(summarise(joined(parts)))


def draw(runs: Sequence[Path], folder: Path, picture: Path) -> None:
    """Promised against actual coverage, one line per run."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.8), layout="constrained")
    for axes, method in zip(figure.subplots(1, 2, sharey=True), ("as trained", "scale"), strict=True):
        axes.plot([40, 100], [40, 100], color="0.7", linewidth=1)
        for run in runs:
            metrics = json.loads((folder / f"{run.name}, {method}.json").read_text())
            shares = [100 * metrics[f"coverage@{p}"] for p in (50, 80, 90, 95)]
            axes.plot((50, 80, 90, 95), shares, marker="o", markersize=4, label=run.name.split("-")[0])
        axes.set(title=method, xlabel="promised, %", xlim=(45, 100), ylim=(45, 101))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("labels inside, %")
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(picture, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--lsp", type=Path)
    parser.add_argument("--figures", type=int, default=1000, help="people in each of the two sets")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--shift", default="", choices=["", "blur", "occlusion"])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument(
        "--picture", type=Path, help="draw the coverage of all runs, before and after scale calibration"
    )
    args = parser.parse_args()
    folds = folds_of(args)
    rows = {}
    for run in args.runs:
        for method in args.methods.split(","):
            name = f"{run.name}{'+' + args.shift if args.shift else ''}, {method}"
            file = args.output / f"{name}.json"
            if not file.exists():
                outputs.write_json(file, measure(run, folds, method, args.shift))
            metrics = json.loads(file.read_text())
            rows[name] = [f"{metrics[key]:.3f}" if metrics.get(key) is not None else "" for key in COLUMNS]
            print(name, dict(zip(COLUMNS, rows[name], strict=True)), flush=True)
    print(table(list(COLUMNS), rows, corner="run"))
    if args.picture:
        draw(args.runs, args.output, args.picture)


if __name__ == "__main__":
    main()
