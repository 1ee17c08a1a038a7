"""What decoding costs beside the network: 100 candidates from a 128 x 128 grid, one picture of 512 x 512.

Network, decoding, and the making of records are timed in turn in every round, so that all see the same machine; the
figures are medians, and the last line is the ratio that matters. Decoding is everything from maps to `Candidates`
(peaks, gathering, densities, choice); judging is pixels, covariances and expected OKS of those above the threshold;
records are the `Prediction` objects, the only loop over people.

    python benchmarks/dense_decode.py
    python benchmarks/dense_decode.py --backbones Upsampled DLA34 --threads 2 --rounds 15
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from poserior import skeletons
from poserior.dense.decode import candidates
from poserior.dense.found import in_pictures
from poserior.dense.multi_scale import merge
from poserior.dense.objects import people
from poserior.dense.spec import DenseSpec, build_dense

HEADS: dict[str, dict[str, Any]] = {
    "mixture": {"class_path": "DenseMixture", "init_args": {"components": 3}},
    "fixed": {"class_path": "DenseFixed"},
    "RLE": {"class_path": "DenseRLE"},
}


def timed(step: Callable[[], Any], into: list[float]) -> Any:
    """A step's result; its milliseconds are appended."""
    start = time.perf_counter()
    result = step()
    into.append(1000 * (time.perf_counter() - start))
    return result


@torch.no_grad()
def measure(backbone: str, head: str, size: int, rounds: int, persons: int) -> dict[str, float]:
    """Medians in milliseconds, by step."""
    spec = DenseSpec(
        {"class_path": backbone}, HEADS[head], ("person",), skeletons.load("coco17"), (size, size), refine=True
    )
    model = build_dense(spec).eval()
    images = torch.rand(1, 3, size, size)
    times: dict[str, list[float]] = {name: [] for name in ("network", "decoding", "judging", "records")}
    where = 4 * torch.ones(1), torch.zeros(1, 2)
    for _ in range(rounds + 2):
        maps = timed(partial(model.predict, images), times["network"])
        found = timed(partial(candidates, maps, model.head, 100), times["decoding"])
        judge = partial(in_pictures, found, maps, model.head, spec.skeleton, *where, True, "expected")
        some = timed(judge, times["judging"])
        merged = merge([(some, 0)], None, persons, 0.0)
        timed(partial(people, [(some, 0)], merged, spec.skeleton, 0), times["records"])
    return {name: statistics.median(values[2:]) for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=["Upsampled"])
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--size", type=int, default=512, help="the picture's side; the grid is a quarter of it")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--people", type=int, default=10, help="records made per picture")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{'backbone':<14}{'head':<9}{'network':>9}{'decoding':>10}{'judging':>9}{'records':>9}  decoding/network")
    for backbone in args.backbones:
        for head in args.heads:
            found = measure(backbone, head, args.size, args.rounds, args.people)
            row = "".join(f"{found[name]:>9.2f} " for name in ("network", "decoding", "judging", "records"))
            print(f"{backbone:<14}{head:<9}{row} {found['decoding'] / found['network']:.2%}", flush=True)


if __name__ == "__main__":
    main()
