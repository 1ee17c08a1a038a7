"""Does a spread grow where the point is covered? A grey patch on some keypoints, before and after.

Run: ``python benchmarks/covered_points.py --run DIR --faces DIR`` (the mouth), or without ``--faces`` on Figures (the
head). ``--picture FILE.png`` draws a few people before (above) and after (below).
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from poserior import inference
from poserior.datasets import FaceKeypoints, Figures
from poserior.structures import Prediction, Sample

PARTS = {
    "face14": ("right_lip_corner", "lip_centre", "left_lip_corner"),
    "coco17": ("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
}


def cover(sample: Sample, part: list[int]) -> np.ndarray:
    """The picture with a grey rectangle over the keypoints of a part."""
    picture = sample.image.numpy().copy()
    points = sample.keypoints[part][sample.visibility[part] > 0]
    if len(points):
        margin = 0.25 * float((points.amax(0) - points.amin(0)).max()) + 3
        (x0, y0), (x1, y1) = (points.amin(0) - margin).tolist(), (points.amax(0) + margin).tolist()
        picture[max(0, round(y0)) : max(0, round(y1)), max(0, round(x0)) : max(0, round(x1))] = 127
    return picture


def spread_and_error(
    samples: list[Sample], people: list[list[Prediction]], members: list[int], visibility: tuple[int, ...]
) -> str:
    spread, error = [], []
    for sample, (person,) in zip(samples, people, strict=True):
        counted = torch.isin(sample.visibility[members], torch.tensor(visibility))
        spread.append(person.covariance.diagonal(dim1=1, dim2=2).mean(1).sqrt()[members][counted])
        error.append((person.keypoints - sample.keypoints).norm(dim=1)[members][counted])
    return f"spread {torch.cat(spread).mean():.2f} px, error {torch.cat(error).mean():.2f} px"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    predictor = inference.load(args.run)
    data = FaceKeypoints(args.faces, split="val") if args.faces else Figures(length=args.people, seed=12345)
    names = data.skeleton.keypoints
    part = [names.index(name) for name in PARTS[data.skeleton.name]]
    rest = [k for k in range(len(names)) if k not in part]
    samples = [data[i] for i in range(min(args.people, len(data)))]
    samples = [sample for sample in samples if int((sample.visibility[part] == 2).sum()) >= 2]
    boxes = [sample.box_xyxy[None] for sample in samples]
    plain = predictor([sample.image for sample in samples], boxes)
    covered = predictor([cover(sample, part) for sample in samples], boxes)
    print(f"{len(samples)} people; covered: {', '.join(PARTS[data.skeleton.name])}")
    for title, members in (("covered keypoints", part), ("all others", rest)):
        cells = [spread_and_error(samples, people, members, (1, 2)) for people in (plain, covered)]
        print(f"  {title:18s} before: {cells[0]}   after: {cells[1]}")
    if any(bool((sample.visibility == 1).any()) for sample in samples):
        everything = list(range(len(names)))
        for title, visibility in (("seen", (2,)), ("hidden anyway", (1,))):
            print(f"  {title:18s} {spread_and_error(samples, plain, everything, visibility)}")
    if args.picture:
        columns = []
        for sample, before, after in list(zip(samples, plain, covered, strict=True))[:6]:
            rows = [
                inference.draw_people(sample.image.numpy(), before),
                inference.draw_people(cover(sample, part), after),
            ]
            columns.append(np.vstack([cv2.resize(row, (240, 300), interpolation=cv2.INTER_AREA) for row in rows]))
        cv2.imwrite(str(args.picture), np.hstack(columns)[..., ::-1])


if __name__ == "__main__":
    main()
