"""Scenes written out as files: pictures and COCO annotations, which `CocoScenes` reads."""

import json
from pathlib import Path
from typing import Any

import cv2

from poserior.datasets.scene_base import SceneDataset
from poserior.errors import InputError
from poserior.scenes import Scene
from poserior.whole_files import write_bytes


def write_scene_coco(dataset: SceneDataset, folder: str | Path, image_format: str = "png", quality: int = 95) -> Path:
    """Write every picture of a data set, and all its objects, as ``images/`` and ``annotations.json`` in COCO's form.

    COCO's keypoints are pixel indices, hence 0.5 less than in a `Scene`. Facts stand under their names in each
    annotation. Crowds are written as such, of the first category. Pictures are numbered from 0, annotations from 1.

    Args:
        dataset: what is written, all of it.
        folder: where; it is made if need be, files of the same names are replaced.
        image_format: ``"png"`` or ``"jpg"``.
        quality: of ``"jpg"``, up to 100.

    Returns:
        The path of ``annotations.json``.

    Raises:
        InputError: another `image_format`.
    """
    if image_format not in ("png", "jpg"):
        raise InputError(f"expected the image format 'png' or 'jpg', found {image_format!r}; choose one of them")
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if image_format == "jpg" else []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(len(dataset)):
        scene = dataset[index]
        name = f"{index:06d}.{image_format}"
        height, width = scene.image.shape[:2]
        encoded = cv2.imencode(f".{image_format}", cv2.cvtColor(scene.image.numpy(), cv2.COLOR_RGB2BGR), options)[1]
        write_bytes(folder / "images" / name, encoded.tobytes())
        images.append({"id": index, "file_name": name, "height": height, "width": width})
        for entry in _objects(scene) + _crowds(scene):
            annotations.append({"id": len(annotations) + 1, "image_id": index, **entry})
    names: dict[str, Any] = {}
    if dataset.skeleton is not None:
        edges = [[a + 1, b + 1] for a, b in dataset.skeleton.edges]  # COCO's own are 1-based
        names = {"keypoints": list(dataset.skeleton.keypoints), "skeleton": edges}
    categories = [{"id": i + 1, "name": name, **names} for i, name in enumerate(dataset.categories)]
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    path = folder / "annotations.json"
    write_bytes(path, json.dumps(content, allow_nan=False).encode())
    return path


def _objects(scene: Scene) -> list[dict[str, Any]]:
    labelled = scene.visibility > 0
    points = ((scene.keypoints.double() - 0.5) * labelled[..., None]).tolist()
    found: list[dict[str, Any]] = []
    for n, category in enumerate(scene.category.tolist()):
        entry = {"category_id": category + 1, **_box(scene.box_xyxy[n].tolist()), "area": float(scene.area[n])}
        if scene.skeleton is not None:
            flags = scene.visibility[n].tolist()
            triples = [[round(x, 3), round(y, 3), v] for (x, y), v in zip(points[n], flags, strict=True)]
            entry["keypoints"] = [value for triple in triples for value in triple]
            entry["num_keypoints"] = int(labelled[n].sum())
        facts = {name: round(float(values[n]), 4) for name, values in scene.facts.items()}
        found.append({**entry, "iscrowd": 0, **{name: value for name, value in facts.items() if value == value}})
    return found


def _crowds(scene: Scene) -> list[dict[str, Any]]:
    crowds = []
    for box in scene.crowd_xyxy.tolist():
        entry = {"category_id": 1, **_box(box), "area": (box[2] - box[0]) * (box[3] - box[1]), "iscrowd": 1}
        if scene.skeleton is not None:
            entry |= {"keypoints": [0] * (3 * scene.skeleton.num_keypoints), "num_keypoints": 0}
        crowds.append(entry)
    return crowds


def _box(box_xyxy: list[float]) -> dict[str, list[float]]:
    x0, y0, x1, y1 = box_xyxy
    return {"bbox": [round(value, 3) for value in (x0, y0, x1 - x0, y1 - y0)]}
