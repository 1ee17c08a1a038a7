"""``poserior evaluate`` for the run of a one-stage network."""

import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from jsonargparse import ArgumentParser

from poserior.cli.results import table
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.datasets.scene_base import SceneDataset
    from poserior.dense.spec import DenseSpec

BATCH_SIZE = 8
SHOWN = {"boxes": ("AP", "AP50", "AP75", "APS", "APM", "APL"), "keypoints": ("AP", "AP50", "AP75", "APM", "APL")}
_OURS = {
    "per_component": False,
    "scales": None,
    "refine": None,
    "choice": "best",
    "score": "expected",
    "nms": None,
    "input_size": None,
    "nll": None,
}
_THEIRS = ("boxes", "max_boxes", "report")


def add_dense_options(verb: ArgumentParser) -> None:
    """Options that only one-stage networks have."""
    group = verb.add_argument_group("of a one-stage run")
    group.add_argument(
        "--per-component", action="store_true", help="once more for each component, which then makes all predictions"
    )
    group.add_argument("--scales", type=list[float] | None, default=None, help="e.g. [0.5,0.75,1,1.25,1.5]")
    group.add_argument("--refine", type=bool | None, default=None, help="move keypoints to the peaks of their heat")
    group.add_argument(
        "--choice", type=Literal["best", "mean", "bishop", "densest"], default="best", help="answer of a density"
    )
    group.add_argument(
        "--score", type=Literal["expected", "centre"], default="expected", help="rank by expected OKS or IoU, or centre"
    )
    group.add_argument(
        "--nms", type=Literal["none", "gaussian", "linear"] | None, default=None, help="soft suppression of boxes"
    )
    group.add_argument("--input-size", type=str | None, default=None, help="H,W of the network's input, or original")
    group.add_argument("--nll", type=bool | None, default=None, help="the labels' likelihood (default: true)")


def refuse_dense_options(args: Namespace) -> None:
    """Raise where an option of one-stage networks was given without one."""
    given = [name for name, default in _OURS.items() if getattr(args, name) != default]
    if given:
        raise InputError(
            f"expected --{given[0].replace('_', '-')} with the finished run of a one-stage network only, found"
            f" {args.run or 'none'}; leave it out, or name such a run"
        )


def evaluate_dense_run(args: Namespace) -> int:
    """Evaluate a one-stage run, write ``metrics.json``, print a table."""
    given = [name for name in _THEIRS if getattr(args, name)]
    if given:
        raise InputError(
            f"expected --{given[0].replace('_', '-')} with a top-down run, found it with the one-stage run {args.run};"
            " leave it out"
        )
    import torch

    from poserior.dense.evaluate import evaluate_dense
    from poserior.dense.spec import load_dense
    from poserior.outputs import write_json

    model, spec = load_dense(args.run)
    data, name = _data(args, spec)
    output = Path(args.output) if args.output is not None else Path(args.run) / f"evaluation-{name}"
    options: dict[str, Any] = {"flip_test": args.flip_test, "choice": args.choice, "score": args.score}
    options |= {"refine": args.refine, "nms": args.nms, "image_size": _input_size(args.input_size)}
    if args.scales is not None:
        options["scales"] = args.scales
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    metrics = evaluate_dense(
        model.to(device),
        spec,
        data,
        per_component=args.per_component,
        nll=args.nll is not False,
        batch_size=args.batch_size or BATCH_SIZE,
        **options,
    )
    write_json(output / "metrics.json", _for_json(metrics) | {"options": options})
    print(tables(metrics))
    print(f"{metrics['objects']} objects in {metrics['pictures']} pictures; metrics.json is in {output}")
    return 0


def tables(metrics: dict[str, Any]) -> str:
    """AP of boxes and of keypoints: a row for the model, and one for each component where that was asked for."""
    texts = []
    for kind, names in SHOWN.items():
        if kind not in metrics:
            continue
        rows = {"all": metrics[kind]}
        rows |= {f"component {n}": one[kind] for n, one in enumerate(metrics.get("components", ()), 1) if kind in one}
        cells = {name: [_cell(row[key]) for key in names] for name, row in rows.items()}
        texts.append(table(list(names), cells, corner=kind))
    if "nll" in metrics:
        texts.append(f"likelihood of the labels: {metrics['nll']:.4g} nats each, in cells (lower is better)")
    return "\n\n".join(texts)


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _for_json(value: Any) -> Any:
    """JSON has no "not a number": null."""
    if isinstance(value, dict):
        return {key: _for_json(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_for_json(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _data(args: Namespace, spec: "DenseSpec") -> "tuple[SceneDataset, str]":
    """What to evaluate on, and what to call it."""
    if args.annotations is None:
        from poserior.dense.run import scenes

        path = Path(args.run) / "config.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
        part = content.get("val_data") if isinstance(content, dict) else None
        if part is None:
            raise InputError(f"expected val_data in {path} to evaluate on, found none; give --annotations and --images")
        return scenes(part, "val_data"), "val"
    if args.images is None:
        raise InputError("expected --images with --annotations, found none; name the folder or archive of the pictures")
    from poserior.datasets import CocoScenes

    data = CocoScenes(
        args.annotations, args.images, skeleton=spec.skeleton, categories=list(spec.categories), with_empty=True
    )
    return data, Path(args.annotations).name.removesuffix(".gz").removesuffix(".json")


def _input_size(text: str | None) -> tuple[int, int] | str | None:
    if text is None or text == "original":
        return text
    sides = text.strip("[]() ").split(",")
    if len(sides) != 2 or not all(side.strip().isdigit() for side in sides):
        raise InputError(f"expected --input-size as H,W or original, found {text!r}; correct it")
    return int(sides[0]), int(sides[1])
