"""Train point-set anchors on generated scenes for some seconds of processor time, then say how well they find people.

python examples/train_point_set.py [seconds] [--loss rle|l1] [--pictures 600] [--seed 0]
"""

import argparse
import time

import torch

from poserior.backbones import Upsampled
from poserior.datasets import FigureScenes
from poserior.dense import point_set as ps
from poserior.metrics import coco_average_precision
from poserior.metrics.average_precision import people_to_coco
from poserior.transforms import SceneAugment, SceneItems, SceneTransform, collate_scenes

SCENES = {"picture_size": (96, 96), "people": (1, 3), "scales": (0.4, 0.9)}
SHOWN = SceneTransform((96, 96), SceneAugment(scale=(0.8, 1.25), shift=0.15))


def train(model: ps.PointSetModel, items: SceneItems, seconds: float, rate: float = 1e-3) -> int:
    optimiser, steps, start = torch.optim.AdamW(model.parameters(), rate), 0, time.process_time()
    while (passed := time.process_time() - start) < seconds or steps < 2:
        items.set_epoch(steps)
        batch = collate_scenes([items[i] for i in torch.randint(len(items), (8,)).tolist()])
        optimiser.param_groups[0]["lr"] = rate * min(max(2 - 2 * passed / max(seconds, 1e-9), 0.01), 1.0)
        optimiser.zero_grad()
        model.loss(batch.images.float() / 255, batch)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        steps += 1
    return steps


def main(seconds: float = 0.0, loss: str = "rle", pictures: int = 600, seed: int = 0) -> None:
    torch.manual_seed(seed)
    length = pictures if seconds else 20
    scenes = list(FigureScenes(length, seed, pool=max(length // 2, 10), **SCENES))
    held_out = FigureScenes(min(length // 4, 300), 1000 + seed, pool=150, **SCENES)
    keypoints, seen = torch.cat([s.keypoints for s in scenes]), torch.cat([s.visibility for s in scenes]) > 0
    modes = ps.pose_modes(keypoints, seen, held_out.skeleton.flip_indices, count=4)
    anchors = ps.anchor_set(modes, scales=[4.8, 6.8])  # cells of 8 and 16 pixels: people of 38 to 109
    laws = [ps.AnchorRLE() if loss == "rle" else ps.AnchorL1(17) for _ in range(2)]
    backbone, sigmas = Upsampled("resnet10t", stride=8), held_out.skeleton.oks_sigmas
    model = ps.PointSetModel(backbone, anchors, laws, sigmas, levels=2)
    steps = train(model, SceneItems(scenes, SHOWN), seconds)
    batch = collate_scenes([SceneTransform(None)(scene) for scene in held_out])
    images, at = batch.images.float() / 255, [batch.image_id[b] for b in batch.present.nonzero()[:, 0].tolist()]
    people = ps.find_people(model.eval(), images, batch.affine, held_out.skeleton, batch.image_id)
    labels = [all_[batch.present] for all_ in (batch.keypoints, batch.visibility, batch.area, batch.box_xyxy)]
    truth, _ = people_to_coco(labels[0], *labels, torch.ones(len(at)), at, list(range(1, len(at) + 1)))
    precision = coco_average_precision([one.to_coco() for picture in people for one in picture], truth, sigmas)["AP"]
    print(f"{loss}: {steps} steps, AP {precision:.3f}, NLL {ps.anchors_nll(model, images, batch):.2f} per keypoint")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=0.0)
    parser.add_argument("--loss", choices=["rle", "l1"], default="rle")
    parser.add_argument(
        "--pictures", type=int, default=600, help="to learn from, default 600; a quarter, at most 300, is held out"
    )
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
