"""Generators of small data sets in the files' own formats: nothing binary lies in the repository."""

import json
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from poserior import skeletons


def write_picture(path: Path, height: int, width: int, seed: int) -> np.ndarray:
    """A random picture without loss (PNG), as RGB."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])
    return image


@pytest.fixture
def picture():
    """`write_picture`, for tests that need pictures of their own."""
    return write_picture


class FakeCoco:
    """Two pictures, five annotations: two people, a crowd, an unlabelled person, a dog; on disk after `save`."""

    def __init__(self, root: Path, skeleton: str = "coco17") -> None:
        self.root, points = root, skeletons.load(skeleton).keypoints
        self.pictures = {
            10: write_picture(root / "images" / "a.png", 40, 50, 0),
            20: write_picture(root / "images" / "b.png", 60, 30, 1),
        }
        count = len(points)
        triples = [[3 + i, 4 + i, 2 - i % 3] if i % 3 < 2 else [0, 0, 0] for i in range(count)]
        empty = {"keypoints": [0] * (3 * count)}
        first = {
            "keypoints": [number for triple in triples for number in triple],
            "num_keypoints": sum(t[2] > 0 for t in triples),
        }
        person = {"category_id": 1, "iscrowd": 0}
        self.content = {
            "images": [
                {"id": 10, "file_name": "a.png", "height": 40, "width": 50},
                {"id": 20, "file_name": "b.png", "height": 60, "width": 30},
            ],
            "categories": [
                {"id": 1, "name": "person", "keypoints": list(points), "skeleton": []},
                {"id": 2, "name": "dog"},
            ],
            "annotations": [
                {"id": 1, "image_id": 10, "bbox": [2, 3, 20, 30], "area": 321.5, **person, **first},
                {"id": 2, "image_id": 20, "bbox": [-4, 10, 20, 80], "area": 0, **person, **first},
                {
                    "id": 3,
                    "image_id": 20,
                    "bbox": [0, 0, 9, 9],
                    "area": 70,
                    **person,
                    "iscrowd": 1,
                    **empty,
                },
                {"id": 4, "image_id": 10, "bbox": [1, 1, 5, 5], "area": 12, **person, **empty},
                {"id": 5, "image_id": 10, "bbox": [1, 1, 5, 5], "category_id": 2},
            ],
        }
        self.boxes = [
            {"image_id": 20, "category_id": 1, "bbox": [5, 10, 10, 20], "score": 0.9},
            {"image_id": 10, "category_id": 2, "bbox": [5, 10, 10, 20], "score": 0.8},
            {"image_id": 10, "category_id": 1, "bbox": [40, 30, 20, 20], "score": 0.25},
        ]

    @property
    def annotations(self) -> Path:
        path = self.root / "annotations.json"
        path.write_text(json.dumps(self.content))
        return path

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def detections(self) -> Path:
        path = self.root / "boxes.json"
        path.write_text(json.dumps(self.boxes))
        return path

    def tar(self, prefix: str = "images/") -> Path:
        path = self.root / "images.tar"
        with tarfile.open(path, "w") as archive:
            for file in sorted(self.images.iterdir()):
                archive.add(file, prefix + file.name)
        return path

    def zip(self, prefix: str = "images/") -> Path:
        path = self.root / "images.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.images.iterdir()):
                archive.write(file, prefix + file.name)
        return path


@pytest.fixture
def fake_coco(tmp_path):
    """A `FakeCoco` on disk; change its `content` before asking for `annotations`."""
    return FakeCoco(tmp_path)


@pytest.fixture
def fake_lsp(tmp_path) -> Path:
    """A folder in the shape of LSP extended with 27 pictures of one person each, in a tar."""
    fake, points = FakeCoco(tmp_path, "lsp14"), skeletons.load("lsp14").keypoints
    names = [f"im{i:05d}.png" for i in range(1, 28)]
    for i, name in enumerate(names):
        write_picture(fake.images / name, 20, 24, i)
    labels = [value for i in range(14) for value in (i, i + 1, 2)]
    fake.content = {
        "images": [{"id": i, "file_name": name, "height": 20, "width": 24} for i, name in enumerate(names)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(points)}],
        "annotations": [
            {"id": 100 + i, "image_id": i, "category_id": 1, "bbox": [1, 2, 10, 8], "area": 42.4, "keypoints": labels}
            for i in range(27)
        ],
    }
    assert fake.annotations.exists()
    fake.tar()
    for file in fake.images.iterdir():
        file.unlink()
    fake.images.rmdir()
    return tmp_path


@pytest.fixture
def fake_mpii(tmp_path):
    """A function from changes of the first person to the paths of an MPII JSON of two people and its pictures."""

    def make(**changes: object) -> tuple[Path, Path]:
        write_picture(tmp_path / "images" / "one.png", 50, 80, 3)
        joints = [[10.0 + i, 20.0 + 2 * i] for i in range(16)]
        person = {"image": "one.png", "center": [30.0, 25.0], "scale": 0.2, "joints": joints, "joints_vis": [1] * 16}
        other = {**person, "joints_vis": [0] * 6 + [1] + [0] * 9, "head_size": 12.5, "scale": 0.1}
        path = tmp_path / "valid.json"
        path.write_text(json.dumps([{**person, **changes}, other]))
        return path, tmp_path / "images"

    return make


@pytest.fixture
def fake_faces(tmp_path) -> Path:
    """A folder in the shape of the face set: three training faces and one for validation."""
    points = np.random.default_rng(0).uniform(10, 80, (4, 14, 2)).astype(np.float32)
    names = np.array([f"{i:04d}.png" for i in range(4)])
    split = np.array(["train", "val", "train", "train"])
    np.savez(tmp_path / "keypoints.npz", image=names, keypoints=points, split=split)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for i, name in enumerate(names):
            write_picture(tmp_path / str(name), 96, 96, i)
            archive.write(tmp_path / str(name), f"images/{name}")
    return tmp_path
