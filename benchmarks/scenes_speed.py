"""How many pictures of several synthetic people one core makes, against painting each picture anew.

    OMP_NUM_THREADS=1 python benchmarks/scenes_speed.py

`FigureScenes` paints people once and then pastes them; `Figures` with as many people paints every picture whole. Both
take turns in one run and CPU time is measured; the ratio is the figure that carries over to other machines. The time of
`SceneTransform` is given as a share of making the picture.
"""

import argparse
import statistics
import time

import cv2
import numpy as np
import torch

from poserior.datasets import Figures, FigureScenes
from poserior.transforms import SceneAugment, SceneTransform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100, help="pictures per round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    size, people = (128, 128), (1, 4)
    scenes, figures = FigureScenes(10**6, 0, size, people, pool=100), Figures(10**6, 0, size, people)
    transform, rng = SceneTransform(size, SceneAugment()), np.random.default_rng(0)
    for index in range(300):
        scenes[index]  # paints everybody in the pool
    pasted, painted, transformed = [], [], []
    for number in range(options.rounds):
        first = 300 + number * options.pictures
        start = time.process_time()
        made = [scenes[first + index] for index in range(options.pictures)]
        pasted.append((time.process_time() - start) / options.pictures)
        start = time.process_time()
        for index in range(options.pictures):
            figures.picture(first + index)
        painted.append((time.process_time() - start) / options.pictures)
        start = time.process_time()
        for scene in made:
            transform(scene, rng)
        transformed.append((time.process_time() - start) / options.pictures)
    new, old, after = map(statistics.median, (pasted, painted, transformed))
    print(f"{options.rounds} rounds of {options.pictures} pictures of {size[0]} x {size[1]}, {people} people, CPU time")
    print(f"pasted (FigureScenes): {1 / new:6.1f} pictures per second, {old / new:.1f} times as many as painted whole")
    print(f"painted (Figures):     {1 / old:6.1f} pictures per second")
    print(f"SceneTransform:        {after * 1e3:6.2f} ms per picture, {after / new:.0%} of making it")


if __name__ == "__main__":
    main()
