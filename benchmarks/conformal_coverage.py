"""Do conformal regions hold what they promise on real labels? Held-out people in random halves, fitted on one.

Run: ``python benchmarks/conformal_coverage.py --run DIR --faces DIR`` or with ``--annotations A.json --images DIR``.
For each keypoint, the share of the other half's labels in its region, mean over the splits; the keypoints' mean and
range. Beside it the density's own region of highest density.
"""

import argparse
from pathlib import Path

import torch

from poserior import inference
from poserior.calibration import Conformal, RegionScores
from poserior.datasets import CocoKeypoints, FaceKeypoints
from poserior.models import Regressor
from poserior.post_hoc import held_out_scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--faces", help="the folder of FaceKeypoints; its val split is taken")
    parser.add_argument("--annotations")
    parser.add_argument("--images")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--people", type=int, default=100, help="people of the half that is fitted on")
    args = parser.parse_args()
    predictor = inference.load(args.run)
    spec = predictor.spec
    people = (
        FaceKeypoints(args.faces, split="val")
        if args.faces
        else CocoKeypoints(args.annotations, args.images, skeleton=spec.skeleton)
    )
    assert isinstance(predictor.model, Regressor)
    held = held_out_scores(predictor.model, spec, people)
    if len(held.area) <= args.people:
        parser.error(f"expected more than {args.people} people, found {len(held.area)}; lower --people")
    draws = torch.Generator().manual_seed(0)
    shares: dict[tuple[float, str], list[torch.Tensor]] = {}
    for _ in range(args.splits):
        order = torch.randperm(len(held.area), generator=draws)
        fit, rest = order[: args.people], order[args.people :]
        regions = Conformal.fit(
            RegionScores(held.scores.level[fit], held.scores.radius[fit]), held.labelled[fit], held.area[fit]
        )
        for coverage in (0.5, 0.8, 0.9, 0.95):
            bounds = {
                "density's own": (held.scores.level, torch.tensor(coverage)),
                "conformal level": (held.scores.level, regions.levels(coverage, held.area[rest])),
                "conformal ellipse": (held.scores.radius, regions.radii(coverage, held.area[rest])),
            }
            for name, (scores, bound) in bounds.items():
                inside = torch.where(held.labelled[rest], (scores[rest] <= bound).float(), torch.nan)
                shares.setdefault((coverage, name), []).append(inside.nanmean(0))
    print(f"{Path(args.run).name}: {len(held.area)} people, {args.people} to fit on, {args.splits} splits")
    for (coverage, name), parts in shares.items():
        by_keypoint = torch.stack(parts).nanmean(0)
        low, middle, high = (float(value) for value in (by_keypoint.min(), by_keypoint.mean(), by_keypoint.max()))
        print(f"{coverage:.0%} {name:18} mean {middle:.3f}, keypoints from {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
