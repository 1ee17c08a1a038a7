"""``poserior demo``: everything once, on synthetic people, in a few minutes on two CPU cores."""

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from poserior.cli.results import measure, numbers, picture_of, table
from poserior.cli.side_by_side import can_fork, side_by_side
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.datasets import Figures
    from poserior.structures import Evaluation
    from poserior.training import Config

SUMMARY = "train and compare two heads on synthetic people; nothing to download (start here)"

HEADS = ("RLE", "L1")
PEOPLE, VALIDATION_PEOPLE, OVERLAYS = 6000, 400, 8
RENDERING, FINISHING = 0.22, 0.12
"""Shares of the time for painting the training pictures (at most) and for evaluation and report."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    options = ArgumentParser(prog="poserior demo", description=SUMMARY)
    options.add_argument(
        "--problem",
        choices=("people", "toy1d"),
        default="people",
        help="synthetic people, or every head on two one-dimensional problems",
    )
    options.add_argument("--output", metavar="DIR", help="folder for everything (default: runs/demo, runs/toy1d)")
    options.add_argument("--minutes", type=float, default=5.5, metavar="M", help="people: time for all")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="of data and weights")
    options.add_argument("--heads", metavar="A,B,...", help="toy1d: which heads (default: all)")
    options.add_argument("--nets", type=int, default=20, metavar="N", help="toy1d: nets of each head")
    options.add_argument("--epochs", type=int, default=75, metavar="E", help="toy1d: training epochs")
    options.add_argument("--candidates", type=int, default=128, metavar="M", help="toy1d: draws of energy heads")
    return options


def run(args: Namespace) -> int:
    """Paint people, train heads side by side, evaluate, report, print the table; or hand on to `toy1d`."""
    if args.problem == "toy1d":
        from poserior.cli import toy1d

        return toy1d.run(args)
    started = time.monotonic()
    if args.heads is not None:
        raise InputError("expected --heads with --problem toy1d only, found it without; add --problem toy1d")
    if not args.minutes > 0:
        raise InputError(f"expected --minutes above 0, found {args.minutes}; change it")
    if args.seed < 0:
        raise InputError(f"expected --seed from 0, found {args.seed}; change it")
    output = _folder(args.output)
    seconds = 60 * args.minutes

    from poserior import outputs
    from poserior.datasets import Figures
    from poserior.report import write_report
    from poserior.training import train
    from poserior.training.memory import load_into_memory

    count = max(32, round(VALIDATION_PEOPLE * min(1.0, args.minutes / 4.5)))
    val_people = load_into_memory(held_out(count, args.seed), "paint held-out people")
    # the two seeds' people never meet: seeds of training are even, of validation odd
    training = Figures(length=PEOPLE, seed=2 * args.seed, **_scene())
    people = load_into_memory(training, "paint people to learn from", seconds=RENDERING * seconds)

    left = max(seconds - (time.monotonic() - started) - FINISHING * seconds, 1.0)
    together = can_fork()
    minutes = left / 60 / (1 if together else len(HEADS))

    def job(name: str) -> "tuple[Evaluation, dict[str, Any]]":
        config = configuration(name, minutes, args.seed)
        folder = train(config, output / name, data=(people, val_people), title=name, progress=not together)
        if name == HEADS[0]:
            _draw(output, val_people)
        return measure(folder, val_people, name, progress=not together, device="cpu")

    logs = [output / name / "log.csv" for name in HEADS]
    results = side_by_side(job, HEADS, left + FINISHING * seconds, logs) if together else [job(name) for name in HEADS]
    evaluations = [evaluation for evaluation, _ in results]
    metrics = {name: values for name, (_, values) in zip(HEADS, results, strict=True)}
    outputs.write_json(output / "metrics.json", metrics)
    place = "one core" if together else "the CPU"
    facts = {
        "Data": f"{len(people)} synthetic people to learn from, {len(val_people)} others to evaluate on",
        "Label noise": "Gaussian, three times wider where a keypoint is hidden",
        "Training": f"{60 * minutes:.0f} s for each head, from random weights, on {place}",
        "Command": f"poserior demo --minutes {args.minutes:g} --seed {args.seed}",
    }
    title = "Poserior: poses with error bars"
    report = write_report(evaluations, metrics, picture_of(val_people), output / "report.html", title, facts)
    print(f"\n{_table(metrics)}\n\n{(time.monotonic() - started) / 60:.1f} minutes; open {report}")
    return 0


def held_out(count: int, seed: int) -> "Figures":
    """People to evaluate on whom the demo of this seed has never seen."""
    from poserior.datasets import Figures

    return Figures(length=count, seed=2 * seed + 1, **_scene())


def _scene() -> dict[str, Any]:
    from poserior.datasets.figures import HeteroscedasticNoise

    return {"label_noise": HeteroscedasticNoise(size=0.25, hidden=3.0), "occluders": 0.15, "truncation": 0.0}


def configuration(name: str, minutes: float, seed: int) -> "Config":
    """What the demo trains: a small network on small crops, the learning rate falling with the clock."""
    from poserior.training import Backbone, Budget, Config, Hardware, Loader, Optimiser
    from poserior.training.presets import preset

    return Config(
        head=preset(name),
        # half as wide a network on half as large crops: in a short time, many people teach more than many pixels
        image_size=(64, 48),
        backbone=Backbone("resnet18", options={"channels": [32, 64, 128, 256]}),
        optimiser=Optimiser(lr=4e-3, weight_decay=1e-4, clip=100.0, warmup=50, ema=0.99),
        budget=Budget(minutes=minutes),
        loader=Loader(batch_size=24, workers=0),
        augment={"rotation": 20.0, "scale": 0.15, "colour": 0.1, "occlusion": 0.0, "half_body": 0.0},
        hardware=Hardware(accelerator="cpu", precision="bf16-mixed" if _has_bfloat16() else "32-true"),
        seed=seed,
    )


def _has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16 itself; where it does not, autocast is slower than float32."""
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions cannot tell
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _folder(given: str | None) -> Path:
    """The folder asked for, or the first of runs/demo, runs/demo-2, ... that is free."""
    if given is not None:
        if (Path(given) / HEADS[0] / "config.yaml").exists():
            raise InputError(f"expected an empty output folder, found a demo in {given}; choose another --output")
        return Path(given)
    folder, number = Path("runs/demo"), 1
    while folder.exists():
        number += 1
        folder = Path(f"runs/demo-{number}")
    return folder


def _draw(output: Path, people: Any) -> None:
    """Overlays of the first held-out people, as the first head sees them."""
    import cv2

    from poserior import inference

    predictor = inference.load(output / HEADS[0], device="cpu")
    samples = [people[index] for index in range(min(OVERLAYS, len(people)))]
    predicted = predictor([sample.image.numpy() for sample in samples], [sample.box_xyxy[None] for sample in samples])
    folder = output / "overlays"
    folder.mkdir(parents=True, exist_ok=True)
    for index, (sample, persons) in enumerate(zip(samples, predicted, strict=True)):
        drawn = inference.draw_people(sample.image.numpy(), persons)
        cv2.imwrite(str(folder / f"{index:02d}.png"), drawn[..., ::-1])


def _table(metrics: dict[str, dict[str, Any]]) -> str:
    wanted = ("PCK@0.2", "EPE", "NLL", "coverage@50", "coverage@90", "spearman", "AUSE")
    columns = [key for key in wanted if all(key in numbers(values) for values in metrics.values())]
    rows = {name: [f"{values[key]:.3f}" for key in columns] for name, values in metrics.items()}
    return table(columns, rows)
