"""Train a small person detector on generated scenes, save its weights, and find people in new pictures with them.

python examples/train_detector.py [seconds] [detector.safetensors]
"""

import sys
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.ops import box_iou

from poserior import rcnn
from poserior.datasets import Figures
from poserior.inference import Detector

SCENES = {"picture_size": (96, 128), "people": (1, 3), "supersample": 1}
# Small for a quick look: without these options pictures are enlarged to 320 pixels, which suits photographs.
SMALL = {"min_size": 96, "max_size": 160, "box_batch_size_per_image": 16, "rpn_post_nms_top_n_train": 100}


def train(model: torch.nn.Module, scenes: Figures, seconds: float, rate: float = 5e-4) -> list[float]:
    """The losses; the learning rate falls to almost nothing over the second half of the time."""
    optimiser = torch.optim.AdamW(model.parameters(), rate)
    pictures = (rcnn.detection_targets(people) for people in map(scenes.scene, range(len(scenes))) if people)
    losses, start = [], time.monotonic()
    model.train()
    while (passed := time.monotonic() - start) < seconds or len(losses) < 2:
        images, targets = zip(*[next(pictures) for _ in range(4)], strict=True)
        loss = sum(model(list(images), list(targets)).values())
        optimiser.param_groups[0]["lr"] = rate * min(max(2 - 2 * passed / max(seconds, 1e-9), 0.01), 1.0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


def main(seconds: float = 0.0, path: str | None = None, shown: int = 4) -> None:
    torch.manual_seed(0)
    detector = Detector(device="cpu", **SMALL)
    losses = train(detector.model, Figures(length=10**6, seed=0, **SCENES), seconds)
    print(f"{len(losses)} steps, loss {np.mean(losses[:20]):.2f} to {np.mean(losses[-20:]):.2f}")
    if path is not None:
        save_file(detector.model.state_dict(), path)
        detector, shown = Detector(weights=path, device="cpu", **SMALL), 300
    detector.model.eval()
    scenes = Figures(length=shown, seed=1, **SCENES)
    hits = people = boxes = 0
    for scene in filter(None, map(scenes.scene, range(shown))):
        (found,) = detector([np.asarray(scene[0].image)])  # box_xyxy and score: what a Predictor takes
        overlap = box_iou(torch.stack([person.box_xyxy for person in scene]), torch.from_numpy(found.box_xyxy))
        hits, people, boxes = hits + int((overlap > 0.5).any(1).sum()), people + len(scene), boxes + len(found.score)
    print(f"of {people} people in new pictures {hits} have a box with an IoU above 0.5; {boxes} boxes in all")


if __name__ == "__main__":
    main(*[float(word) for word in sys.argv[1:2]], *sys.argv[2:3])
