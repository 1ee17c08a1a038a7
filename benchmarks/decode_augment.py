"""Decoding and augmenting training crops, beside decoding and one bare warp: what the rest costs, on one core.

Bare: cv2 decodes the JPEG (as the library does, EXIF ignored) and warps it once to 256 x 192 by the very map that the
augmentation drew; the file is read already, the crop is not kept. Ours: the data
set's sample, `TopDown` with the default `Augment`, and `collate`. Both in turn, batch by batch, by processor time.
Run: ``python benchmarks/decode_augment.py --annotations FILE --images FOLDER_OR_TAR [--skeleton coco17]``.
"""

import argparse
import statistics
import time

import cv2
import numpy as np
import torch

from poserior.datasets import CocoKeypoints
from poserior.transforms import Augment, TopDown, collate

SIZE = (256, 192)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--skeleton", default="coco17")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=40)
    args = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    data = CocoKeypoints(args.annotations, args.images, skeleton=args.skeleton)
    transform = TopDown(SIZE, augment=Augment())
    plain = TopDown(SIZE, augment=Augment(colour=0.0, occlusion=0.0))
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    order = np.random.default_rng(0).permutation(len(data))
    shares: dict[str, list[float]] = {"all": [], "geometry alone": []}
    seconds: dict[str, list[float]] = {"bare": [], "all": [], "geometry alone": []}
    for number in range(args.batches + 1):
        rows = [int(order[i % len(data)]) for i in range(number * args.batch, (number + 1) * args.batch)]
        maps = [transform(data[i], np.random.default_rng(i)).crop.numpy() for i in rows]  # draws, and warms the caches
        files = [data.images.read(data.stored(int(data.samples.picture[i]))) for i in rows]
        started = time.process_time()
        for file, affine in zip(files, maps, strict=True):
            image = cv2.imdecode(np.frombuffer(file, np.uint8), flags)
            cv2.warpAffine(image, affine, (SIZE[1], SIZE[0]), flags=cv2.INTER_LINEAR)
        bare = time.process_time() - started
        times = {"bare": bare}
        for name, chosen in (("all", transform), ("geometry alone", plain)):
            started = time.process_time()
            collate([chosen(data[i], np.random.default_rng(i)) for i in rows])
            times[name] = time.process_time() - started
        if number:  # the first is for warming up
            for name, value in times.items():
                seconds[name].append(value / args.batch)
            for name in shares:
                shares[name].append(bare / times[name])
    print(f"cv2 decode and one warp: {1e3 * statistics.median(seconds['bare']):.2f} ms a crop")
    for name, values in shares.items():
        each = 1e3 * statistics.median(seconds[name])
        print(f"decode and augment ({name}): {each:.2f} ms a crop, {statistics.median(values):.1%} of the bare rate")


if __name__ == "__main__":
    main()
