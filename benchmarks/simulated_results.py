"""Results whose scores are badly calibrated in a known way, made from real annotations by a noise model. Simulated!

No network made these results: every labelled person of a COCO keypoint file is "found" with errors that are larger for
small and occluded keypoints than the scores admit (the scores are overconfident for small people), some people are
found twice, some not at all, and some detections are false. For trying ``poserior calibrate`` where no results of a
real model are at hand.

Run: ``python benchmarks/simulated_results.py --annotations FILE --output results.json [--seed 0]``
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from poserior import inference, outputs, skeletons

SIGMAS = np.array(skeletons.load("coco17").oks_sigmas)


def person(rng: np.random.Generator, entry: dict[str, Any], quality: float) -> dict[str, Any]:
    """One answer for an annotated person: errors in units of the OKS kernel, scores that do not know the size."""
    truth = np.array(entry["keypoints"], dtype=float).reshape(-1, 3)
    x, y, width, height = entry["bbox"]
    seen = truth[:, 2] > 0
    # where nothing is labelled the tool still answers something in the box
    centre = np.where(seen[:, None], truth[:, :2], rng.uniform([x, y], [x + width, y + height], (17, 2)))
    side = np.sqrt(max(entry["area"], 1.0))
    small = np.clip(60 / side, 0.5, 3.0)  # the error that grows with smallness, and that the scores leave out
    difficulty = rng.gamma(2.0, 0.25, 17) * np.where(truth[:, 2] == 1, 2.0, 1.0) / quality
    spread = 2 * SIGMAS * side * difficulty * small
    points = centre + rng.normal(size=(17, 2)) * spread[:, None] + rng.normal(size=2) * 0.03 * side
    swapped = rng.random(17) < 0.04 * small
    points[swapped] = rng.uniform([x, y], [x + width, y + height], (17, 2))[swapped]
    score = np.where(seen, 1 / (1 + 0.6 * difficulty**2), rng.uniform(0.05, 0.4, 17))
    score = np.clip(score + rng.normal(size=17) * 0.08, 0.02, 0.99) ** 0.6  # overconfident
    jitter = rng.normal(size=4) * 0.03 * np.array([width, height, width, height])
    box = np.array([x, y, width, height]) + jitter
    return {
        "image_id": entry["image_id"],
        "category_id": entry.get("category_id", 1),
        "keypoints": np.concatenate([points, score[:, None]], 1).round(3).flatten().tolist(),
        "score": round(float(score.mean() * np.clip(rng.normal(0.93, 0.05), 0.3, 1)), 4),
        "bbox": [*box[:2].round(2).tolist(), *np.maximum(box[2:], 2).round(2).tolist()],
    }


def simulate(annotations: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Of every labelled person usually one answer, sometimes two or none; and false ones beside them."""
    rng = np.random.default_rng(seed)
    results = []
    for entry in inference.labelled_people(annotations):
        if rng.random() < 0.05:
            continue
        quality = rng.lognormal(0.0, 0.35)
        results.append(person(rng, entry, quality))
        if rng.random() < 0.08:  # found twice, the second time worse
            results.append(person(rng, entry, quality / 2))
        if rng.random() < 0.15:  # somebody who is not there, with a score that looks like somebody
            false = person(rng, entry, quality)
            shift = rng.uniform(1.5, 3.0) * np.array(entry["bbox"][2:]) * rng.choice([-1, 1], 2)
            moved = np.array(false["keypoints"]).reshape(-1, 3)
            moved[:, :2] += shift
            false["keypoints"] = moved.round(3).flatten().tolist()
            corner = np.array(false["bbox"][:2]) + shift
            false["bbox"] = [*corner.round(2).tolist(), *false["bbox"][2:]]
            false["score"] = round(false["score"] * rng.uniform(0.5, 1.0), 4)
            results.append(false)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    results = simulate(outputs.read_annotations(args.annotations), args.seed)
    outputs.write_json_list(args.output, iter(results))
    print(f"{len(results)} simulated results in {args.output}")


if __name__ == "__main__":
    main()
