"""The most memory each verb takes, on small standard inputs: every verb in a process of its own.

Predicting and evaluating a run need a trained one and pictures, measuring results a results file
(`simulated_results.py` makes one); what is not given is left out.
Run: ``python benchmarks/memory.py [--results FILE --annotations FILE] [--run DIR --images PLACE --labels FILE]``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = 200


def peak(words: list[str], cwd: str) -> tuple[int, float]:
    """Exit code and megabytes of one process (of the largest one, where it starts others)."""
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024


def pictures(place: Path, folder: Path) -> Path:
    """At most `PICTURES` of the pictures, as a folder."""
    from poserior.pictures import open_images

    images = open_images(place)
    folder.mkdir()
    for name in [name for name in sorted(images.names()) if name.lower().endswith((".jpg", ".png"))][:PICTURES]:
        (folder / Path(name).name).write_bytes(images.read(name))
    return folder


def verbs(args: argparse.Namespace, place: str) -> dict[str, list[str]]:
    """The words of each verb that the given files allow; later ones use what earlier ones left in `place`."""
    words = {"--help": ["--help"]}
    if args.results:
        measured = ["--results", args.results, "--annotations", args.annotations]
        words["evaluate --results"] = ["evaluate", *measured, "--output", f"{place}/e"]
        words["report --results"] = ["report", *measured, "--output", f"{place}/report"]
        words["doctor data"] = ["doctor", "data", "--annotations", args.annotations]
        words["convert"] = ["convert", args.annotations, "--to", "csv", "--output", f"{place}/labels.csv"]
    if args.images and args.run:
        few = str(pictures(Path(args.images), Path(place) / "pictures"))
        file = f"{place}/model.onnx"
        words["predict"] = ["predict", few, "--run", args.run, "--output", f"{place}/p"]
        words["export"] = ["export", "--run", args.run, "--output", file]
        words["predict, exported"] = ["predict", few, "--run", file, "--output", f"{place}/po"]
    if args.images and args.labels:
        given = ["--annotations", args.labels, "--images", args.images]
        words["shard"] = ["shard", *given, "--output", f"{place}/s"]
        if args.run:
            words["evaluate --run"] = ["evaluate", "--run", args.run, *given, "--output", f"{place}/r"]
            fitted = ["--method", "scale", "--output", f"{place}/c"]
            words["calibrate --run"] = ["calibrate", "--run", args.run, *given, *fitted]
    config = str(Path(__file__).parents[1] / "configs" / "figures_rle.yaml")
    few_people = ["--train_data.init_args.length", "64", "--val_data.init_args.length", "16"]
    short = [*few_people, "--budget.epochs", "1", "--loader.workers", "0"]
    words["train"] = ["train", "--config", config, *short, "--output", f"{place}/t"]
    words["demo"] = ["demo", "--output", f"{place}/d", "--minutes", "0.2"]
    return words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("results", "annotations", "run", "images", "labels"):
        parser.add_argument(f"--{name}", type=lambda text: str(Path(text).resolve()))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        commands = {"(import torch)": ["-c", "import torch"]}
        commands |= {name: ["-m", "poserior", *words] for name, words in verbs(args, place).items()}
        print(f"{'verb':28s}{'peak MB':>9s}")
        for name, words in commands.items():
            code, megabytes = peak(words, place)
            print(f"{name:28s}{megabytes:9.0f}{'' if code in (0, 1) else f'   (exit code {code})'}", flush=True)


if __name__ == "__main__":
    main()
