"""Train point-set anchors on synthetic people for some steps, then say how well they find others.

python examples/train_point_set.py [steps] [--loss rle|l1] [--scenes FOLDER] [--backbone RUN] [--seed 0]
"""

import argparse
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from poserior.backbones import Upsampled
from poserior.datasets import CocoScenes, FigureScenes
from poserior.dense import point_set as ps
from poserior.dense.spec import load_dense
from poserior.dense.truth import annotations_of
from poserior.metrics import coco_average_precision
from poserior.scenes import Scene
from poserior.transforms import SceneAugment, SceneItems, SceneTransform, collate_scenes

SCENES = {"picture_size": (96, 96), "people": (1, 3), "scales": (0.4, 0.9)}
AUGMENT = SceneAugment(scale=(0.8, 1.25), shift=0.15)
MOST = 24  # anchors per picture whose offsets are learnt in a step: the flow is asked about each of their points


def made(pictures: int, seed: int) -> tuple[list[Scene], FigureScenes]:
    """Pictures drawn once, to learn from, and others to be judged on."""
    learnt = list(FigureScenes(pictures, seed, pool=max(pictures // 2, 10), **SCENES))
    return learnt, FigureScenes(min(pictures // 4, 300), 1000 + seed, pool=150, **SCENES)


def written(folder: Path) -> tuple[CocoScenes, CocoScenes]:
    """Those that make_scenes.py has written into `folder`/train and `folder`/val."""
    parts = [folder / part for part in ("train", "val")]
    train, val = (CocoScenes(part / "annotations.json", part / "images", "coco17") for part in parts)
    return train, val


def anchors_of(people: list[Scene], flip_indices: tuple[int, ...], stride: int) -> Tensor:
    """Four poses and their mirror images in two sizes, evenly spaced in logarithm over the people's."""
    keypoints, seen = torch.cat([s.keypoints for s in people]), torch.cat([s.visibility for s in people]) > 0
    modes = ps.pose_modes(keypoints, seen, flip_indices, count=4)
    size = ps.pose_size(keypoints[seen.all(1)]) / stride
    low, high = size.quantile(torch.tensor([0.1, 0.9])).log().tolist()
    return ps.anchor_set(modes, [math.exp(low + (high - low) * share) for share in (0.25, 0.75)])


def train(model: ps.PointSetModel, items: SceneItems, steps: int, batch_size: int, rate: float) -> float:
    """Returns the seconds of processor time."""
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1, pct_start=0.05)
    start = time.process_time()
    for step in range(steps):
        items.set_epoch(step)
        batch = collate_scenes([items[i] for i in torch.randint(len(items), (batch_size,)).tolist()])
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            losses = model.loss(batch.images.float() / 255, batch)
        losses["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if step % 500 == 499:
            print(f"step {step + 1}: class {losses['class'].item():.3f}, points {losses['points'].item():.2f}")
    return time.process_time() - start


def judged(model: ps.PointSetModel, held_out: FigureScenes | CocoScenes) -> tuple[dict[str, float], float]:
    """Average precision over all the held-out pictures, and the regression's NLL at everybody's best anchor."""
    truth, found, nll = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}, [], 0.0
    for first in range(0, len(held_out), 50):
        scenes = [held_out[i] for i in range(first, min(first + 50, len(held_out)))]
        batch = collate_scenes([SceneTransform(None)(scene) for scene in scenes])
        images = batch.images.float() / 255
        people = ps.find_people(model, images, batch.affine, held_out.skeleton, batch.image_id)
        truth["images"] += [{"id": scene.image_id} for scene in scenes]
        truth["annotations"] += [entry for scene in scenes for entry in annotations_of(scene, scene.image_id, [1])]
        found += [one.to_coco() for picture in people for one in picture]
        nll += ps.anchors_nll(model, images, batch) * int(batch.present.sum())
    return coco_average_precision(found, truth, held_out.skeleton.oks_sigmas), nll / len(truth["annotations"])


def main(
    steps: int = 0,
    loss: str = "rle",
    scenes: Path | None = None,
    backbone: Path | None = None,
    pictures: int = 600,
    batch_size: int = 8,
    seed: int = 0,
) -> None:
    torch.manual_seed(seed)
    learnt, held_out = written(scenes) if scenes else made(pictures if steps else 20, seed)
    body = load_dense(backbone)[0].backbone if backbone else Upsampled("resnet10t", stride=8)
    some = [learnt[i] for i in range(min(len(learnt), 2000))]
    anchors = anchors_of(some, held_out.skeleton.flip_indices, body.stride)
    laws = [ps.AnchorRLE() if loss == "rle" else ps.AnchorL1(17) for _ in range(2)]
    model = ps.PointSetModel(body, anchors, laws, held_out.skeleton.oks_sigmas, levels=1, most=MOST)
    height, width = some[0].image.shape[:2]
    shown = SceneTransform((height, width), AUGMENT)
    seconds = train(model.train(), SceneItems(learnt, shown, seed), max(steps, 2), batch_size, rate=1e-3)
    precision, nll = judged(model.eval(), held_out)
    each = ", ".join(f"{key} {precision[key]:.3f}" for key in ("AP", "AP50", "AP75", "AR"))
    print(f"{loss}, seed {seed}: {max(steps, 2)} steps in {seconds:.0f} s, {each}, NLL {nll:.2f} per keypoint")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train point-set anchors on synthetic people; judge them on others.")
    parser.add_argument("steps", type=int, nargs="?", default=0, help="none: two steps, to see that it runs")
    parser.add_argument("--loss", choices=["rle", "l1"], default="rle")
    parser.add_argument("--scenes", type=Path, help="a folder with train and val, each written by make_scenes.py")
    parser.add_argument("--backbone", type=Path, help="a run of `poserior train` whose backbone to begin with")
    parser.add_argument("--pictures", type=int, default=600, help="without --scenes: how many are drawn, default 600")
    parser.add_argument("--batch-size", type=int, default=8, help="pictures a step, default 8")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
