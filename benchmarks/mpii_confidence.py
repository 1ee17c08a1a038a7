"""How well can confidence be told from the pose alone? Two real prediction sets on MPII's validation people.

The sets are bare points without scores, so the confidence is made of what is known without a label: the pose, where it
lies in the person's box (MPII's centre and scale), the head's size, the keypoint. The target is PCKh@0.5 right or
wrong; everybody is judged by a model that saw neither the person nor its picture. AUSE is that of ``1 - right``,
times 100, lower is better; a constant confidence and the head's size alone stand beside it.

Run: ``python benchmarks/mpii_confidence.py --data DIR`` (the folder of ``mpii_valid.npz``), optionally ``--methods``.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from poserior import calibration, skeletons
from poserior.metrics import ause, ece

SETS = ("hourglass", "other")
LEFT_OUT = ("pelvis", "thorax")


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def features(data: dict[str, np.ndarray], points: Tensor) -> Tensor:
    """Pose features of points without scores; MPII's box is a square of 200 times the scale around the centre."""
    edges = skeletons.load("mpii16").edges
    centre, half = torch.from_numpy(data["center"]), torch.from_numpy(data["scale"])[:, None] * 100
    head = torch.from_numpy(data["head_size"]).double()
    person = torch.stack([head.log(), head / half[:, 0]], 1)
    return calibration.pose_features(
        points, torch.ones(points.shape[:2]), torch.cat([centre - half, centre + half], 1), edges, person
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--methods", default="beta,boosting,mlp")
    parser.add_argument("--folds", type=int, default=5)
    args = parser.parse_args()
    data = read(args.data / "mpii_valid.npz")
    names = [str(name) for name in data["joint_names"]]
    counted = torch.tensor([name not in LEFT_OUT for name in names])
    labelled = torch.from_numpy(data["labelled"]) & counted
    target, head = torch.from_numpy(data["joints"]), torch.from_numpy(data["head_size"]).double()
    image_id = [name.decode() for name in data["image"]]
    for chosen in SETS:
        points = torch.from_numpy(data[f"pred_{chosen}"])
        right = ((points - target).norm(dim=-1) <= 0.5 * head[:, None]).double()
        table = features(data, points)
        rows: dict[str, Tensor] = {
            "constant": torch.ones_like(right),
            "head size": head[:, None].expand_as(right),
        }
        for method in args.methods.split(","):
            rows[method] = calibration.cross_fit(table, right, labelled, image_id, method, args.folds)
        print(f"\npred_{chosen}: {len(points)} people, PCKh@0.5 {100 * right[labelled].mean():.2f} %")
        shown = [k for k in range(len(names)) if counted[k]]
        print("| AUSE x 100 | all | ECE | " + " | ".join(names[k] for k in shown) + " |")
        print("|---" * (len(shown) + 3) + "|")
        for name, confidence in rows.items():
            cells = [f"{100 * ause(1 - right, confidence, labelled):.2f}"]
            cells += ["-" if name in ("constant", "head size") else f"{ece(confidence, right, labelled):.3f}"]
            cells += [f"{100 * ause(1 - right[:, k], confidence[:, k], labelled[:, k]):.2f}" for k in shown]
            print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
