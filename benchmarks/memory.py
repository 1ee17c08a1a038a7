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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("results", "annotations", "run", "images", "labels"):
        parser.add_argument(f"--{name}", type=lambda text: str(Path(text).resolve()))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        verbs = {"(import torch)": ["-c", "import torch"], "--help": ["-m", "poserior", "--help"]}
        if args.results:
            words = ["-m", "poserior", "evaluate", "--results", args.results, "--annotations", args.annotations]
            verbs["evaluate --results"] = [*words, "--output", f"{place}/e"]
        if args.images:
            few = pictures(Path(args.images), Path(place) / "pictures")
            if args.run:
                words = ["-m", "poserior", "predict", "--run", args.run, "--images", str(few)]
                verbs[f"predict, {len(list(few.iterdir()))} pictures"] = [*words, "--output", f"{place}/p"]
            if args.labels:
                given = ["--annotations", args.labels, "--images", args.images]
                verbs["shard"] = ["-m", "poserior", "shard", *given, "--output", f"{place}/s"]
                if args.run:
                    words = ["-m", "poserior", "evaluate", "--run", args.run, *given]
                    verbs["evaluate --run"] = [*words, "--output", f"{place}/r"]
        words = ["-m", "poserior", "demo", "--output", f"{place}/d", "--minutes", "0.2"]
        verbs["demo"] = words
        print(f"{'verb':28s}{'peak MB':>9s}")
        for name, words in verbs.items():
            code, megabytes = peak(words, place)
            print(f"{name:28s}{megabytes:9.0f}{'' if code == 0 else f'   (exit code {code})'}", flush=True)


if __name__ == "__main__":
    main()
