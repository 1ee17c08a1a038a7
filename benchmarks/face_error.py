"""Mean error in eye distances of the runs that ``poserior compare`` left, by head: mean and spread over seeds.

The eye distance is that of the two eye centres' labels. Run:
``python benchmarks/face_error.py --faces DIR FOLDER...`` with the folders of `compare`.
"""

import argparse
import re
import statistics
from collections import defaultdict
from pathlib import Path

from poserior import inference
from poserior.datasets import FaceKeypoints
from poserior.metrics import normalised_error
from poserior.structures import Evaluation


def in_eye_distances(evaluation: Evaluation, mean: bool = False) -> float:
    names = evaluation.skeleton.keypoints
    eyes = [evaluation.target[:, names.index(f"{side}_eye_middle")] for side in ("left", "right")]
    points = evaluation.mean if mean else evaluation.keypoints
    assert points is not None
    distance = (eyes[0] - eyes[1]).norm(dim=-1)
    return float(normalised_error(points, evaluation.target, distance, evaluation.target_visibility))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()
    faces = FaceKeypoints(args.faces, split="val")
    errors: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for run in sorted(
        run for folder in args.folders for run in folder.glob("*-seed*") if (run / "model.yaml").exists()
    ):
        head = re.sub(r"-seed\d+$", "", run.name)
        predictor = inference.load(run)
        fused = inference.evaluate_model(predictor.model, predictor.spec, faces, run.name, progress=False)
        single = inference.evaluate_model(
            predictor.model, predictor.spec, faces, run.name, flip_test=False, progress=False
        )
        errors[head].append((in_eye_distances(single), in_eye_distances(fused), in_eye_distances(fused, mean=True)))
        print(run.name, *(f"{error:.4f}" for error in errors[head][-1]), flush=True)
    print("\n| head | one pass, mode | flip test, mode | flip test, mean |\n|---|---|---|---|")
    for head, values in errors.items():
        cells = [
            f"{statistics.mean(column):.4f} ± {statistics.stdev(column):.4f}" if len(column) > 1 else f"{column[0]:.4f}"
            for column in zip(*values, strict=True)
        ]
        print(f"| {head} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
