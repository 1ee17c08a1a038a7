"""A one-stage network on whole pictures with labels: AP of boxes and keypoints, and how likely the labels are."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tqdm import tqdm

from poserior.dense.data import BoxesOnly
from poserior.dense.model import DenseModel
from poserior.dense.module import label_nll
from poserior.dense.one_component import answered_by
from poserior.dense.predictor import DensePredictor
from poserior.dense.spec import DenseSpec
from poserior.dense.targets import dense_targets
from poserior.dense.truth import Json, Scenes, Truth
from poserior.errors import InputError
from poserior.metrics import coco_average_precision, coco_box_average_precision
from poserior.scenes import Detection, Scene
from poserior.structures import Prediction
from poserior.training.data import to_device
from poserior.training.module import prepare_images
from poserior.transforms import SceneTransform, collate_scenes


def evaluate_dense(
    model: DenseModel,
    spec: DenseSpec,
    dataset: Scenes,
    per_component: bool = False,
    nll: bool = True,
    batch_size: int = 8,
    progress: bool = True,
    **options: Any,
) -> Json:
    """Predict every picture, and compare what was found with the labels as COCO does.

    Args:
        model: it is put in eval mode, and runs where its parameters are.
        spec: what it was built from.
        dataset: pictures with the model's categories and skeleton; keypoints are left out for a model of mere boxes.
        per_component: the same once more for each component alone: it makes all predictions.
        nll: also the negative log-likelihood of the labels, in one more pass.
        batch_size: pictures per pass.
        progress: show a bar on stderr.
        options: of `DensePredictor`: ``flip_test``, ``scales``, ``refine``, ``choice``, ``score``, ``count``, ``nms``,
            ``image_size``, ``fusion``; its `threshold` is 0 here.

    Returns:
        ``pictures`` and ``objects``, how many; ``boxes``, see `metrics.coco_box_average_precision`; for a network of
        poses ``keypoints``, see `metrics.coco_average_precision`; ``nll``: nats per labelled keypoint (per box where
        there are none) under the densities in the objects' own cells, of places in cells of the network's grid;
        with `per_component` ``components``, a list with ``boxes`` or ``keypoints`` of each.

    Raises:
        InputError: there are no pictures, they have other categories or keypoints, or the model has one component.
    """
    _check(spec, dataset, model.head.components if per_component else 2)
    truth = Truth(dataset, spec)
    if spec.skeleton is None:
        dataset = BoxesOnly(dataset)
    device = next(model.parameters()).device
    predictor = DensePredictor(model, spec, threshold=0.0, batch_size=batch_size, device=device, **options)
    results: list[Json] = []
    for scenes in _chunks(dataset, batch_size, "evaluate", progress):
        truth.add(scenes)
        results += _found(predictor, scenes, truth)
    annotations = truth.annotations()
    metrics: Json = {"pictures": len(dataset), "objects": truth.objects}
    metrics["boxes"] = coco_box_average_precision(results, annotations)
    if spec.skeleton is not None:
        metrics["keypoints"] = _keypoints(results, annotations, spec)
    if nll:
        metrics["nll"] = labels_nll(model, spec, dataset, batch_size, progress)
    if per_component:
        metrics["components"] = []
        for component in range(model.head.components):
            results, chunks = [], _chunks(dataset, batch_size, f"component {component + 1}", progress)
            with answered_by(model, component):
                for scenes in chunks:
                    results += _found(predictor, scenes, truth)
            if spec.skeleton is None:
                found = {"boxes": coco_box_average_precision(results, annotations)}
            else:
                found = {"keypoints": _keypoints(results, annotations, spec)}
            metrics["components"].append(found)
    return metrics


@torch.no_grad()
def labels_nll(
    model: DenseModel, spec: DenseSpec, dataset: Scenes, batch_size: int = 8, progress: bool = True
) -> float:
    """The mean negative log-likelihood of the labels under the densities in the objects' own cells.

    Nats per labelled keypoint, or per box where there are none, of places in cells of the network's grid at its own
    `image_size`; not a number without labels. It does not depend on which objects are found.

    Args:
        model: put in eval mode.
        spec: what it was built from.
        dataset: pictures with the model's categories and skeleton.
        batch_size: pictures per pass.
        progress: show a bar on stderr.
    """
    model.eval()
    device, transform = next(model.parameters()).device, SceneTransform(spec.image_size)
    total, count = 0.0, 0
    for scenes in _chunks(dataset, batch_size, "likelihood of the labels", progress):
        batch = to_device(collate_scenes([transform(scene) for scene in scenes], 10_000), device)
        target = dense_targets(batch, model.num_categories, model.stride, refine=False)
        nll, labels = label_nll(model, model.predict(prepare_images(batch.images)), target)
        total, count = total + float(nll), count + int(labels)
    return total / count if count else float("nan")


def _check(spec: DenseSpec, dataset: Scenes, components: int) -> None:
    if len(dataset) == 0:
        raise InputError("expected at least one picture to evaluate on, found none; check the annotations")
    missing = [name for name in spec.categories if name not in dataset.categories]
    if missing or len(spec.categories) != len(dataset.categories):
        raise InputError(
            f"expected the model's {len(spec.categories)} categories ({', '.join(spec.categories[:5])}), found"
            f" {len(dataset.categories)} ({', '.join(dataset.categories[:5])}); evaluate on data with the model's"
        )
    skeleton = dataset[0].skeleton
    points = [0 if one is None else one.num_keypoints for one in (spec.skeleton, skeleton)]
    if points[0] not in (0, points[1]):
        raise InputError(
            f"expected {points[0]} keypoints (the model's), found {points[1]} in the data; evaluate on data with the"
            " model's skeleton"
        )
    if components < 2:
        raise InputError("expected a mixture for an evaluation per component, found one component; leave it out")


def _chunks(dataset: Scenes, size: int, title: str, progress: bool) -> Iterator[list[Scene]]:
    with tqdm(total=len(dataset), desc=title, unit="picture", disable=not progress, dynamic_ncols=True) as bar:
        for start in range(0, len(dataset), size):
            scenes = [dataset[index] for index in range(start, min(start + size, len(dataset)))]
            yield scenes
            bar.update(len(scenes))


def _found(predictor: DensePredictor, scenes: Sequence[Scene], truth: Truth) -> list[Json]:
    found = predictor([scene.image for scene in scenes], image_ids=[scene.image_id for scene in scenes])
    return [result_entry(one, truth.category_ids) for picture in found for one in picture]


def result_entry(found: Prediction | Detection, category_ids: Sequence[int]) -> Json:
    """One entry of a COCO results list: nothing but what AP asks for."""
    x0, y0, x1, y1 = found.box_xyxy.double().tolist()
    category = found.category if isinstance(found, Detection) else 0
    entry = {"image_id": found.image_id, "category_id": category_ids[category], "bbox": [x0, y0, x1 - x0, y1 - y0]}
    if isinstance(found, Prediction):
        points = torch.cat([found.keypoints.double() - 0.5, found.confidence.double()[:, None]], 1)
        entry["keypoints"] = points.flatten().tolist()
    return {**entry, "score": float(found.score)}


def _keypoints(results: list[Json], annotations: Json, spec: DenseSpec) -> dict[str, float]:
    assert spec.skeleton is not None
    return coco_average_precision(results, annotations, spec.skeleton.oks_sigmas)
