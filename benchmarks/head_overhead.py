"""What the RLE head and its loss add to a training step of resnet50 at 256 x 192, over the L1 head and loss.

Both models hold the same backbone's architecture; steps (forward, loss, backward, AdamW) are timed in turn by processor
time, and the median of the steps' ratios is told. Run: ``python benchmarks/head_overhead.py [--batch 8] [--steps 15]``.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from poserior import skeletons
from poserior.models import ModelSpec, build_model
from poserior.skeletons import Skeleton
from poserior.structures import Target

SIZE = (256, 192)


def make_step(head: str, backbone: str, batch: int, skeleton: Skeleton, device: str) -> Callable[[], None]:
    """One whole training step on random crops with three quarters of the keypoints labelled."""
    spec = ModelSpec({"name": backbone, "pretrained": False}, {"class_path": head}, skeleton, SIZE)
    model = build_model(spec).to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images = torch.randn(batch, 3, *SIZE, device=device)
    target = Target(
        keypoints=torch.rand(batch, 17, 2, device=device) - 0.5,
        visibility=torch.randint(0, 4, (batch, 17), device=device).clamp(max=2),
        area=torch.full((batch,), 1e4, device=device),
        box_xyxy=torch.tensor([0.0, 0.0, 96.0, 128.0], device=device).expand(batch, 4),
        crop=torch.eye(2, 3, dtype=torch.float64, device=device).expand(batch, 2, 3),
        image_id=tuple(range(batch)),
        annotation_id=tuple(range(batch)),
        head_size=torch.full((batch,), torch.nan, device=device),
    )

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        model.loss(images, target).backward()
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    clock = time.process_time if args.device == "cpu" else time.perf_counter
    skeleton = skeletons.load("coco17")
    steps = {}
    for name in ("Fixed", "RLE"):  # Fixed with its Laplace law is the L1 loss
        steps[name] = make_step(name, args.backbone, args.batch, skeleton, args.device)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(args.steps + 2):
        for name, step in steps.items():
            started = clock()
            step()
            if args.device != "cpu":
                torch.cuda.synchronize()
            if number >= 2:
                seconds[name].append(clock() - started)
    ratios = [rle / l1 for l1, rle in zip(seconds["Fixed"], seconds["RLE"], strict=True)]
    for name, values in seconds.items():
        print(f"{name}: {1e3 * statistics.median(values):.0f} ms a step")
    print(f"RLE adds {statistics.median(ratios) - 1:.1%} (quartiles {np.percentile(ratios, [25, 75]).round(3) - 1})")


if __name__ == "__main__":
    main()
