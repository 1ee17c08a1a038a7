"""Pictures of several synthetic people (or of simple shapes) with COCO annotations, and a look at the first dozen.

python examples/make_scenes.py FOLDER [--length 2000] [--side 128] [--people 1 4] [--scales 0.1 0.9] [--objects]
"""

import argparse
from pathlib import Path
from tempfile import mkdtemp

import cv2
import numpy as np

from poserior.datasets import FigureScenes, SceneDataset, SimpleObjects, write_scene_coco
from poserior.scenes import Scene

ZOOM = 2


def drawn(scene: Scene) -> np.ndarray:
    """The picture with boxes and keypoints: boxes green where the front is seen, seen keypoints white, hidden black."""
    picture = cv2.resize(scene.image.numpy(), None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
    facing = scene.facts["facing"].tolist() if "facing" in scene.facts else [1.0] * len(scene.box_xyxy)
    for n, front in enumerate(facing):
        x0, y0, x1, y1 = (scene.box_xyxy[n] * ZOOM).round().int().tolist()
        cv2.rectangle(picture, (x0, y0), (x1 - 1, y1 - 1), (0, 220, 0) if front > 0 else (220, 0, 0), 1)
        for point, seen in zip(scene.keypoints[n].tolist(), scene.visibility[n].tolist(), strict=True):
            if seen:
                place = (round(point[0] * ZOOM), round(point[1] * ZOOM))
                cv2.circle(picture, place, 2, (255, 255, 255) if seen == 2 else (0, 0, 0), -1)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description="Write synthetic scenes as pictures and COCO annotations.")
    parser.add_argument("folder", type=Path, nargs="?", help="none: a dozen pictures in a new temporary folder")
    parser.add_argument("--length", type=int, help="how many pictures, default 2000")
    parser.add_argument("--seed", type=int, default=0, help="which pictures; take another for validation")
    parser.add_argument("--side", type=int, default=128, help="the pictures' height and width, default 128")
    parser.add_argument("--people", type=int, nargs=2, default=(1, 4), help="fewest and most, default 1 4")
    parser.add_argument("--scales", type=float, nargs=2, default=(0.1, 0.9), help="smallest and greatest size")
    parser.add_argument("--pool", type=int, default=2000, help="how many different people, default 2000")
    parser.add_argument("--format", choices=("png", "jpg"), default="png", help="of the pictures, default png")
    parser.add_argument("--objects", action="store_true", help="shapes in place of people")
    given = parser.parse_args()
    folder, length = given.folder or Path(mkdtemp()), given.length or (2000 if given.folder else 12)
    size = (given.side, given.side)
    people, scales = tuple(given.people), tuple(given.scales)
    scenes: SceneDataset = FigureScenes(length, given.seed, size, people, scales, pool=given.pool)
    if given.objects:
        scenes = SimpleObjects(length, given.seed, size)
    print(write_scene_coco(scenes, folder, given.format))
    few = [drawn(scenes[index]) for index in range(min(12, len(scenes)))]
    few += [np.zeros_like(few[0])] * (-len(few) % 4)
    sheet = np.vstack([np.hstack(few[row : row + 4]) for row in range(0, len(few), 4)])
    cv2.imwrite(str(folder / "look.png"), sheet[..., ::-1])
    print(folder / "look.png")


if __name__ == "__main__":
    main()
