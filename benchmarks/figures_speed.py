"""How many 128 x 96 crops of synthetic people one core makes in a second, the pictures' painting included.

    OMP_NUM_THREADS=1 python benchmarks/figures_speed.py

The crop is one bilinear warp of the person's padded box. CPU time is what counts on a shared machine; the wall clock
is printed beside it.
"""

import argparse
import statistics
import time

import cv2
import torch

from poserior.datasets import Figures
from poserior.geometry import crop_affine


def crop(dataset: Figures, index: int, image_size: tuple[int, int]) -> None:
    sample = dataset[index]
    affine = crop_affine(sample.box_xyxy, image_size).numpy()
    cv2.warpAffine(sample.image.numpy(), affine, (image_size[1], image_size[0]), flags=cv2.INTER_LINEAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=200, help="crops per round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = Figures(length=options.crops * options.rounds + 10)
    for index in range(10):
        crop(dataset, index, (128, 96))
    wall, cpu = [], []
    for number in range(options.rounds):
        clock, busy = time.perf_counter(), time.process_time()
        for index in range(options.crops):
            crop(dataset, 10 + number * options.crops + index, (128, 96))
        wall.append(options.crops / (time.perf_counter() - clock))
        cpu.append(options.crops / (time.process_time() - busy))
    print(
        f"{options.rounds} rounds of {options.crops} crops, 128 x 96, from pictures of {dataset.settings.picture_size}"
    )
    print(f"crops per second of CPU time:   {statistics.median(cpu):6.1f} (least {min(cpu):.1f}, most {max(cpu):.1f})")
    print(
        f"crops per second of wall clock: {statistics.median(wall):6.1f} (least {min(wall):.1f}, most {max(wall):.1f})"
    )


if __name__ == "__main__":
    main()
