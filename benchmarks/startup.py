"""How long `poserior --help` takes beside `import torch`, and `poserior evaluate --results` in all, process included.

All are timed in turn, each in a process of its own, and the medians are compared. Bytecode caches are filled first.
Run: ``python benchmarks/startup.py [--annotations FILE --results FILE] [--repeats 9]``; `simulated_results.py` makes a
results file.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def run(words: list[str]) -> tuple[float, float]:
    """Seconds by the clock and by the processor of a process of its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations")
    parser.add_argument("--results")
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode at hand
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("PYTHONPYCACHEPREFIX", f"{folder}/bytecode")
        kinds = {"poserior --help": ["-m", "poserior", "--help"], "import torch": ["-c", "import torch"]}
        if args.results:
            words = ["-m", "poserior", "evaluate", "--results", args.results, "--annotations", args.annotations]
            words += ["--output", folder]
            kinds |= {"evaluate --results": words, "the same with --no-report": [*words, "--no-report"]}
        for words in kinds.values():
            run(words)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for _ in range(args.repeats):
            for name, words in kinds.items():
                times[name].append(run(words))
    torch_seconds = statistics.median(used for _, used in times["import torch"])
    print(f"{'':28s}{'clock':>9s}{'processor':>11s}{'/ import torch':>16s}")
    for name, measured in times.items():
        clock, used = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{name:28s}{clock:8.2f}s{used:10.2f}s{used / torch_seconds:16.3f}")


if __name__ == "__main__":
    main()
