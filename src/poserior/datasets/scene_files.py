"""Scenes written out as files: pictures and COCO annotations, which `CocoScenes` reads."""

from pathlib import Path

from poserior.datasets.coco_folder import CocoFolder, Json, box_entry, keypoint_entry
from poserior.datasets.scene_base import SceneDataset
from poserior.geometry import box_area
from poserior.scenes import Scene


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
    written = CocoFolder(folder, image_format, quality)
    annotations: list[Json] = []
    for index in range(len(dataset)):
        scene = dataset[index]
        written.add(scene.image.numpy())
        for entry in _objects(scene) + _crowds(scene):
            annotations.append({"id": len(annotations) + 1, "image_id": index, **entry})
    return written.finish(annotations, dataset.categories, dataset.skeleton)


def _objects(scene: Scene) -> list[Json]:
    found: list[Json] = []
    for n, category in enumerate(scene.category.tolist()):
        entry = {"category_id": category + 1, **box_entry(scene.box_xyxy[n]), "area": float(scene.area[n])}
        if scene.skeleton is not None:
            entry |= keypoint_entry(scene.keypoints[n], scene.visibility[n])
        facts = {name: round(float(values[n]), 4) for name, values in scene.facts.items()}
        found.append({**entry, "iscrowd": 0, **{name: value for name, value in facts.items() if value == value}})
    return found


def _crowds(scene: Scene) -> list[Json]:
    crowds = []
    for box, area in zip(scene.crowd_xyxy, box_area(scene.crowd_xyxy.double()).tolist(), strict=True):
        entry = {"category_id": 1, **box_entry(box), "area": area, "iscrowd": 1}
        if scene.skeleton is not None:
            entry |= {"keypoints": [0] * (3 * scene.skeleton.num_keypoints), "num_keypoints": 0}
        crowds.append(entry)
    return crowds
