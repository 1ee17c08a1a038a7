"""Crops a second of the whole training loader (read, decode, augment, collate), from a folder, a tar and shards.

Run: ``python benchmarks/loader.py --annotations FILE --images FOLDER_OR_TAR [--skeleton coco17] [--workers 0 1 2]``.
The crops a second that a GPU trains on, over the rate of one worker, is how many workers it needs.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler

from poserior.datasets import CocoKeypoints, KeypointDataset, Shards, write_shards
from poserior.transforms import Augment, Cropped, TopDown, collate


def one_thread(_worker: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def rate(data: KeypointDataset, workers: int, crops: int) -> float:
    cropped = Cropped(data, TopDown((256, 192), augment=Augment()))
    sampler = RandomSampler(cropped, replacement=True, num_samples=crops + 64)
    loader = DataLoader(
        cropped, batch_size=32, sampler=sampler, num_workers=workers, collate_fn=collate, worker_init_fn=one_thread
    )
    batches = iter(loader)
    for _ in itertools.islice(batches, 2):  # the workers are started
        pass
    started, count = time.perf_counter(), 0
    for images, _ in batches:
        count += len(images)
    return count / (time.perf_counter() - started)


def read_rate(data: CocoKeypoints | Shards, count: int) -> float:
    rng = np.random.default_rng(0)
    stored = [data.stored(int(data.samples.picture[i])) for i in rng.integers(len(data), size=count)]
    started = time.process_time()
    for name in stored:
        data.images.read(name)
    return count / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--skeleton", default="coco17")
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--crops", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    one_thread(0)
    with tempfile.TemporaryDirectory() as place:
        tar = CocoKeypoints(args.annotations, args.images, skeleton=args.skeleton)
        files = Path(place) / "files"
        files.mkdir()
        for picture in np.unique(tar.samples.picture).tolist():
            name = Path(str(tar.pictures.names[picture])).name
            (files / name).write_bytes(tar.images.read(tar.stored(picture)))
        started = time.perf_counter()
        write_shards(tar, Path(place) / "shards", 500)
        written = time.perf_counter() - started
        started = time.perf_counter()
        shards = Shards(Path(place) / "shards")
        opened = time.perf_counter() - started
        print(f"shards of {len(tar)} people written in {written:.2f} s, opened in {opened:.2f} s")
        sets: dict[str, CocoKeypoints | Shards] = {
            "folder": CocoKeypoints(args.annotations, files, skeleton=args.skeleton),
            "as given": tar,
            "shards": shards,
        }
        reads = {name: statistics.median(read_rate(data, 2000) for _ in range(5)) for name, data in sets.items()}
        print("files read a second (processor time): " + ", ".join(f"{name} {r:,.0f}" for name, r in reads.items()))
        for workers in args.workers:
            rates: dict[str, list[float]] = {name: [] for name in sets}
            for _ in range(args.repeats):
                for name, data in sets.items():
                    rates[name].append(rate(data, workers, args.crops))
            shown = ", ".join(f"{name} {statistics.median(values):.0f}" for name, values in rates.items())
            print(f"crops a second with {workers} workers: {shown}")


if __name__ == "__main__":
    main()
