"""``poserior demo``: everything once, on synthetic people, in a few minutes on two CPU cores."""

import time
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser

from poserior.cli.results import SHOWN, measure, numbers, picture_of, table
from poserior.errors import InputError

if TYPE_CHECKING:
    from poserior.training import Config

SUMMARY = "train and compare two heads on synthetic people; nothing to download (start here)"

HEADS = ("RLE", "L1")
PEOPLE, VALIDATION_PEOPLE, OVERLAYS = 8000, 400, 8
RENDERING, FINISHING = 0.22, 0.12
"""Shares of the time for painting the training pictures (at most) and for evaluation and report."""


def parser() -> ArgumentParser:
    """Options of the verb."""
    options = ArgumentParser(prog="poserior demo", description=SUMMARY)
    options.add_argument("--output", metavar="DIR", help="folder for everything (default: runs/demo)")
    options.add_argument("--minutes", type=float, default=4.5, metavar="M", help="time for all of it (default: 4.5)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="of people and weights (default: 0)")
    return options


def run(args: Namespace) -> int:
    """Paint people, train each head for the same time, evaluate, write the report, print the table."""
    started = time.monotonic()
    if not args.minutes > 0:
        raise InputError(f"expected --minutes above 0, found {args.minutes}; change it")
    if args.seed < 0:
        raise InputError(f"expected --seed from 0, found {args.seed}; change it")
    output = _folder(args.output)
    seconds = 60 * args.minutes

    from poserior import inference
    from poserior.datasets import Figures
    from poserior.datasets.figures import HeteroscedasticNoise
    from poserior.report import write_report
    from poserior.training import train
    from poserior.training.memory import load_into_memory

    noise = HeteroscedasticNoise(size=0.3)
    count = max(32, round(VALIDATION_PEOPLE * min(1.0, args.minutes / 4.5)))
    # the two seeds' people never meet: seeds of training are even, of validation odd
    held_out = Figures(length=count, seed=2 * args.seed + 1, label_noise=noise)
    val_people = load_into_memory(held_out, "paint held-out people")
    training = Figures(length=PEOPLE, seed=2 * args.seed, label_noise=noise)
    people = load_into_memory(training, "paint people to learn from", seconds=RENDERING * seconds)

    left = seconds - (time.monotonic() - started) - FINISHING * seconds
    minutes = max(left, 1.0) / len(HEADS) / 60
    evaluations, metrics = [], {}
    for name in HEADS:
        folder = train(configuration(name, minutes, args.seed), output / name, data=(people, val_people), title=name)
        evaluation, metrics[name] = measure(folder, val_people, name)
        evaluations.append(evaluation)
    inference.write_json(output / "metrics.json", metrics)
    _draw(output, val_people)
    facts = {
        "Data": f"{len(people)} synthetic people to learn from, {len(val_people)} others to evaluate on",
        "Label noise": "Gaussian, three times wider where a keypoint is hidden",
        "Training": f"{60 * minutes:.0f} s for each head, from random weights, on the CPU",
        "Command": f"poserior demo --minutes {args.minutes:g} --seed {args.seed}",
    }
    title = "Poserior: poses with error bars"
    report = write_report(evaluations, metrics, picture_of(val_people), output / "report.html", title, facts)
    print(f"\n{_table(metrics)}\n\n{(time.monotonic() - started) / 60:.1f} minutes; open {report}")
    return 0


def configuration(name: str, minutes: float, seed: int) -> "Config":
    """What the demo trains: a small network on small crops, the learning rate falling with the clock."""
    from poserior.training import Backbone, Budget, Config, Hardware, Loader, Optimiser
    from poserior.training.presets import preset

    return Config(
        head=preset(name),
        image_size=(128, 96),
        backbone=Backbone("mobilenetv3_small_100"),
        optimiser=Optimiser(lr=2e-3, weight_decay=1e-4, clip=100.0, warmup=30, ema=0.99),
        budget=Budget(minutes=minutes),
        loader=Loader(batch_size=32, workers=0),
        augment={"occlusion": 0.0, "half_body": 0.0},
        hardware=Hardware(accelerator="cpu"),
        seed=seed,
    )


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

    predictor = inference.load(output / HEADS[0])
    samples = [people[index] for index in range(min(OVERLAYS, len(people)))]
    predicted = predictor([sample.image.numpy() for sample in samples], [sample.box_xyxy[None] for sample in samples])
    folder = output / "overlays"
    folder.mkdir(parents=True, exist_ok=True)
    for index, (sample, persons) in enumerate(zip(samples, predicted, strict=True)):
        drawn = inference.draw_people(sample.image.numpy(), persons)
        cv2.imwrite(str(folder / f"{index:02d}.png"), drawn[..., ::-1])


def _table(metrics: dict[str, dict[str, Any]]) -> str:
    columns = [key for key in SHOWN if all(key in numbers(values) for values in metrics.values())]
    rows = {name: [f"{values[key]:.3f}" for key in columns] for name, values in metrics.items()}
    return table(columns, rows)
