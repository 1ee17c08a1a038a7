"""Exported files against the model they were made from: eager torch, onnxruntime in float, onnxruntime in 8 bits.

A resnet50 with the RLE head on 256 x 192 crops, random weights, all versions in turn in every round. Then pictures in
files all the way to JSON (decode, crop, network, results entry), against the bare network on ready crops.
Run: ``python benchmarks/onnx_speed.py [--threads 2] [--rounds 15] [--openvino]``.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from poserior import skeletons
from poserior.export import quantise
from poserior.export.graph import Graph
from poserior.export.onnx_file import export_model
from poserior.models import ModelSpec, Regressor, build_model
from poserior.portable import OnnxPredictor

SIZE, PICTURE = (256, 192), (480, 640)

# zero_init_last would make every residual branch of an untrained network exactly 0: integers would look too good.
SPEC = ModelSpec(
    backbone={"name": "resnet50", "pretrained": False, "zero_init_last": False},
    head={"class_path": "RLE", "init_args": {}},
    skeleton=skeletons.load("coco17"),
    image_size=SIZE,
)


def blotches(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with large and small structure, which compresses about as photographs do."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.integers(0, 64, (height // 3, width // 3, 3), np.uint8), (width, height))
    return np.clip(coarse.astype(np.int16) + fine - 32, 0, 255).astype(np.uint8)


def settled(model: Regressor, crops: np.ndarray) -> Regressor:
    """The model with batch statistics that fit its random weights: activations stay in a trained network's range."""
    for module in model.backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.backbone.train()(torch.from_numpy(crops.transpose(0, 3, 1, 2).copy()).float() / 255)
        for module in model.head.modules():  # coordinates inside the crop, not many crops away
            if isinstance(module, torch.nn.Linear):
                module.weight.mul_(0.1)
    return model.eval()


def in_turn(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every piece of work in every round, after two rounds that do not count.

    In its turn each works three times, and the middle time counts: threads of the one before still wait for work and
    hold the cores during the first.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 2):
        for name, work in works.items():
            turn = []
            for _ in range(3):
                start = time.perf_counter()
                work()
                turn.append(time.perf_counter() - start)
            if number >= 2:
                times[name].append(statistics.median(turn))
    return times


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=48, help="files of one person each, end to end")
    parser.add_argument("--openvino", action="store_true", help="the same files on OpenVINO too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    cv2.setNumThreads(1)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        crops = np.stack([blotches(*SIZE, seed) for seed in range(32)])
        model = settled(build_model(SPEC), crops[:8])
        plain = export_model(model, SPEC, folder / "float.onnx").path
        small = quantise(plain, folder / "int8.onnx", crops)
        graph = Graph(model, SPEC, flip_test=False).eval()
        images = torch.from_numpy(crops[: args.batch].transpose(0, 3, 1, 2).copy())
        area = np.full(args.batch, 0.2 * SIZE[0] * SIZE[1], np.float32)

        def eager() -> object:
            with torch.inference_mode():
                return graph(images, torch.from_numpy(area))

        def engine(path: Path, name: str = "onnxruntime") -> Callable[[], object]:
            predictor = OnnxPredictor(path, args.batch, args.threads, engine=name)
            return lambda: predictor.run(crops[: args.batch], area)

        works = {"eager torch": eager, "onnxruntime float": engine(plain), "onnxruntime int8": engine(small)}
        if args.openvino:
            works |= {"openvino float": engine(plain, "openvino"), "openvino int8": engine(small, "openvino")}
        times = in_turn(works, args.rounds)
        print(
            f"resnet50 + RLE, {SIZE[0]} x {SIZE[1]}, batch {args.batch}, {args.threads} threads, {args.rounds} rounds"
        )
        for name, seconds in times.items():
            gain = ratio(times, "eager torch", name)
            print(f"  {name:18s} {1e3 * statistics.median(seconds):7.1f} ms   {gain:5.2f} times eager torch's speed")
        print(f"  files: {plain.stat().st_size / 2**20:.1f} MB float, {small.stat().st_size / 2**20:.1f} MB int8")

        files, boxes = [], []
        for seed in range(args.pictures):
            files.append(folder / f"{seed}.jpg")
            cv2.imwrite(str(files[-1]), blotches(*PICTURE, seed), [cv2.IMWRITE_JPEG_QUALITY, 85])
            boxes.append([[150.0, 40.0, 150.0 + 250, 40.0 + 400]])
        size = statistics.mean(file.stat().st_size for file in files) / 2**10
        print(
            f"{args.pictures} files of {PICTURE[0]} x {PICTURE[1]}, one person each, {size:.0f} kB on average, to JSON:"
        )
        many = np.concatenate([crops] * (args.pictures // len(crops) + 1))[: args.pictures]
        for name, path in (("float", plain), ("int8", small)):
            predictor = OnnxPredictor(path, args.batch, args.threads)

            def bare(predictor: OnnxPredictor = predictor) -> None:
                for first in range(0, args.pictures, args.batch):
                    part = many[first : first + args.batch]
                    predictor.run(part, np.full(len(part), area[0], np.float32))

            def whole(predictor: OnnxPredictor = predictor) -> None:
                for people in predictor(files, boxes):
                    json.dumps([person.to_coco() for person in people])

            found = in_turn({"bare": bare, "whole": whole}, max(args.rounds // 3, 3))
            speed = args.pictures / statistics.median(found["whole"])
            print(
                f"  {name:6s} {speed:6.1f} people/s, {100 * ratio(found, 'bare', 'whole'):.0f} % of the bare network's"
            )


if __name__ == "__main__":
    main()
