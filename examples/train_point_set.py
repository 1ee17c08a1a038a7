"""Train point-set anchors on generated scenes for some time, then say how well they find new people.

python examples/train_point_set.py [seconds] [--loss rle|l1]
"""

import argparse
import time

import torch

from poserior.backbones import Upsampled
from poserior.datasets import FigureScenes
from poserior.dense.point_set import AnchorL1, AnchorRLE, PointSetModel, anchor_oks, anchor_set, find_people, pose_modes
from poserior.metrics import coco_average_precision
from poserior.metrics.average_precision import people_to_coco
from poserior.scenes import Scene
from poserior.transforms import SceneAugment, SceneItems, SceneTransform, collate_scenes

SCENES = {"picture_size": (96, 96), "people": (1, 3), "scales": (0.4, 0.9), "pool": 300}
AUGMENT = SceneAugment(scale=(0.8, 1.25), shift=0.15)


def train(model: PointSetModel, scenes: list[Scene], seconds: float, rate: float = 1e-3) -> int:
    items, optimiser = SceneItems(scenes, SceneTransform(SCENES["picture_size"], AUGMENT)), torch.optim.AdamW(model.parameters(), rate)
    steps, start = 0, time.process_time()
    model.train()
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


@torch.no_grad()
def evaluate(model: PointSetModel, scenes: FigureScenes) -> tuple[float, float]:
    """AP, and the NLL of the keypoints at everybody's best anchor: nats per keypoint in units of the anchor's size."""
    batch = collate_scenes([SceneTransform(None)(scene) for scene in scenes])
    images, there = batch.images.float() / 255, batch.present
    people = find_people(model, images, batch.affine, scenes.skeleton, batch.image_id)
    maps, labelled = model(images)[-1], batch.visibility > 0
    stage = model.at(maps, anchor_oks(maps.grid, batch.keypoints, labelled, batch.area, 2 * model.oks_sigmas).argmax(-1))[-1]
    nll = -stage.offset.log_prob(stage.target(batch.keypoints))[labelled & there[..., None]].mean()
    at = [batch.image_id[b] for b, _ in there.nonzero().tolist()]
    labels = [values[there] for values in (batch.keypoints, batch.visibility, batch.area, batch.box_xyxy)]
    truth, _ = people_to_coco(labels[0], *labels, torch.ones(len(at)), at, batch.annotation_id[there].tolist())
    found = [person.to_coco() for picture in people for person in picture]
    return coco_average_precision(found, truth, scenes.skeleton.oks_sigmas)["AP"], nll.item()


def main(seconds: float = 0.0, loss: str = "rle", shown: int = 8, seed: int = 0) -> None:
    torch.manual_seed(seed)
    scenes = list(FigureScenes(length=8 if seconds == 0 else 600, seed=seed, **SCENES))
    keypoints, seen = torch.cat([s.keypoints for s in scenes]), torch.cat([s.visibility for s in scenes]) > 0
    held_out = FigureScenes(length=shown if seconds == 0 else 150, seed=1000 + seed, **SCENES)
    modes = pose_modes(keypoints, seen, held_out.skeleton.flip_indices, count=4 if seconds else 1)
    anchors = anchor_set(modes, scales=[4.8, 6.8])  # cells of 8 and 16 pixels: people of 38 to 109
    laws = [AnchorRLE(), AnchorRLE()] if loss == "rle" else [AnchorL1(17), AnchorL1(17)]
    model = PointSetModel(Upsampled("resnet10t", stride=8), anchors, laws, held_out.skeleton.oks_sigmas, levels=2)
    steps = train(model, scenes, seconds)
    print(f"{loss}: {steps} steps, {len(anchors)} anchors, AP %.3f, NLL %.2f" % evaluate(model.eval(), held_out))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=0.0)
    parser.add_argument("--loss", choices=["rle", "l1"], default="rle")
    main(*vars(parser.parse_args()).values())
