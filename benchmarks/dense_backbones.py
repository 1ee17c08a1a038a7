"""What the dense backbones cost: parameters, multiply-adds, and the time of a prediction beside the small one's.

Parameters and multiply-adds are counted without computing anything. Times are processor time of one forward pass in
eval mode; all backbones take turns, and the median of the rounds' ratios to ``Upsampled("resnet18")`` is told with its
least and greatest. Prints a Markdown table. Run:
``OMP_NUM_THREADS=1 python benchmarks/dense_backbones.py [--size 512] [--timed 256] [--rounds 5]``.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from poserior.backbones import DLA34, DenseBackbone, Hourglass104, Upsampled, multiply_adds

SMALL = 'Upsampled("resnet18")'
BACKBONES: dict[str, Callable[[], DenseBackbone]] = {
    "Hourglass104()": Hourglass104,
    "Hourglass104(stacks=1)": lambda: Hourglass104(1),
    "DLA34()": DLA34,
    'DLA34("plain")': lambda: DLA34("plain"),
    SMALL: lambda: Upsampled("resnet18"),
    'Upsampled("resnet18", depthwise=True)': lambda: Upsampled("resnet18", depthwise=True),
    'Upsampled("resnet10t", depthwise=True)': lambda: Upsampled("resnet10t", depthwise=True),
    'Upsampled("convnext_atto", depthwise=True)': lambda: Upsampled("convnext_atto", depthwise=True),
    'Upsampled("mobilenetv3_small_050", depthwise=True)': lambda: Upsampled("mobilenetv3_small_050", depthwise=True),
}


def counts(make: Callable[[], DenseBackbone], size: int) -> tuple[int, int]:
    """Parameters, and multiply-adds of a square picture."""
    with torch.random.fork_rng(devices=()), torch.device("meta"):
        backbone = make()
    return sum(p.numel() for p in backbone.parameters()), multiply_adds(backbone, (size, size))


def seconds(size: int, rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each round, by backbone, after one round that does not count."""
    images = torch.rand(1, 3, size, size)
    backbones = {name: make().eval() for name, make in BACKBONES.items()}
    found: dict[str, list[float]] = {name: [] for name in backbones}
    for n in range(rounds + 1):
        for name, backbone in backbones.items():
            started = time.process_time()
            with torch.inference_mode():
                backbone(images)
            if n:
                found[name].append(time.process_time() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the picture whose multiply-adds are counted")
    parser.add_argument("--timed", type=int, default=256, help="side of the picture that is timed")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(0)
    timed = seconds(args.timed, args.rounds)
    print(
        f"| backbone | parameters, millions | multiply-adds at {args.size} x {args.size}, billions"
        f" | processor time at {args.timed} x {args.timed} over the small one's (least, greatest) |\n|---|---|---|---|"
    )
    for name, make in BACKBONES.items():
        parameters, adds = counts(make, args.size)
        ratios = [mine / small for mine, small in zip(timed[name], timed[SMALL], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}, {max(ratios):.2f})"
        print(f"| `{name}` | {parameters / 1e6:.2f} | {adds / 1e9:.2f} | {spread} |")
    small = statistics.median(timed[SMALL])
    print(f"\nThe small one took {small:.3f} s, threads {torch.get_num_threads()}, torch {torch.__version__}.")


if __name__ == "__main__":
    main()
