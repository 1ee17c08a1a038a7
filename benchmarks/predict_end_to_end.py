"""Pictures to results.json against the bare network: what is lost to reading, cropping and writing.

The network gets ready batches of the same number of crops; the job reads and decodes files, crops, predicts and writes
its parts and the joined file. Both in turn in one process, medians over the rounds. Run:
``OMP_NUM_THREADS=1 python benchmarks/predict_end_to_end.py --pictures DIR_OR_TAR --run RUN [--count 128 --rounds 3]``;
without ``--run`` a ResNet-50 with an RLE head and random weights at 256 x 192.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from poserior import jobs, skeletons
from poserior.inference.answers import answer
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.structures import Target


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pictures", required=True)
    options.add_argument("--run", default=None)
    options.add_argument("--count", type=int, default=128, help="pictures, repeated if there are fewer")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--batch-size", type=int, default=32)
    options.add_argument("--readers", type=int, default=None)
    options.add_argument("--device", default="cpu")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Path(folder))


def measure(args: argparse.Namespace, folder: Path) -> None:
    run = folder / "run" if args.run is None else Path(args.run)
    if args.run is None:
        torch.manual_seed(0)
        spec = ModelSpec({"name": "resnet50"}, {"class_path": "RLE"}, skeletons.load("coco17"), (256, 192))
        save_model(build_model(spec), spec, run)
    few = jobs.Job((args.pictures,), (str(run),), "", overlays=False).absolute()
    found = jobs.Sources(few)
    copies = folder / "pictures"
    copies.mkdir()
    everything = [picture for part in found.parts for picture in found.read(part)]
    for n in range(args.count):
        picture = everything[n % len(everything)]
        with picture.path.open("rb") as file:
            file.seek(picture.member[0] if picture.member else 0)
            (copies / f"{n:05d}.jpg").write_bytes(file.read(picture.member[1] if picture.member else -1))
    bare, whole = [], []
    model, spec = load_model(run)
    model = model.to(args.device)
    for number in range(args.rounds + 1):  # the first is to warm up
        network = bare_network(model, spec, args)
        job = jobs.Job(
            (str(copies),), (str(run),), str(folder / f"out{number}"), overlays=False, flip_test=False,
            batch_size=args.batch_size, device=args.device, readers=args.readers,
        ).absolute()  # fmt: skip
        worker = jobs.Worker(job)
        start = time.perf_counter()
        for _ in worker.run(worker.sources.parts):
            pass
        jobs.join(job, worker.sources)
        whole.append(time.perf_counter() - start)
        bare.append(network)
    share = [b / w for b, w in zip(bare[1:], whole[1:], strict=True)]
    print(f"bare network {args.count / statistics.median(bare[1:]):.1f} crops/s")
    print(f"pictures to JSON {args.count / statistics.median(whole[1:]):.1f} pictures/s")
    print(
        f"share of the bare throughput {statistics.median(share):.3f} (rounds: {', '.join(f'{s:.3f}' for s in share)})"
    )


@torch.no_grad()
def bare_network(model: torch.nn.Module, spec: ModelSpec, args: argparse.Namespace) -> float:
    """Seconds for the crops, with the answers (mode, covariance, confidence) but nothing before or after."""
    height, width = spec.image_size
    start = time.perf_counter()
    left = args.count
    while left > 0:
        count = min(left, args.batch_size)
        images = torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8).to(args.device)
        target = Target(
            torch.zeros(count, spec.skeleton.num_keypoints, 2),
            torch.zeros(count, spec.skeleton.num_keypoints, dtype=torch.int64),
            torch.ones(count),
            torch.tensor([[0.0, 0.0, width, height]]).repeat(count, 1),
            torch.eye(3, dtype=torch.float64)[:2].repeat(count, 1, 1),
            tuple(range(count)),
            tuple(range(count)),
            torch.full((count,), torch.nan),
        )
        answer(model, spec, images, target, flip_test=False).mode.cpu()
        left -= count
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
