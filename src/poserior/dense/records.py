"""A one-stage network's answers beside the annotated objects, as records for `poserior.analyses`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import box_iou
from tqdm import tqdm

from poserior.analyses import FoundObjects, Shown, TrueObjects
from poserior.dense.component_answers import Answers, answers_at
from poserior.dense.component_results import Json, annotation_file, results_of
from poserior.dense.decode import peaks
from poserior.dense.model import DenseModel
from poserior.dense.spec import DenseSpec
from poserior.dense.targets import dense_targets
from poserior.dense.truth import annotations_of
from poserior.errors import InputError
from poserior.geometry import box_area
from poserior.scenes import Scene, SceneBatch
from poserior.transforms import SceneTransform, collate_scenes
from poserior.transforms.scene_items import Scenes

LEAST_IOU = 0.5
"""What a prediction must reach with an annotated object of its category to be it."""
Record = TypeVar("Record", FoundObjects, TrueObjects)
Pair = tuple[int, Scene, Scene]


@dataclass(frozen=True, eq=False)
class Gathered:
    """What a network said of a data set.

    Attributes:
        found: the best peaks of each picture; `match` by overlap.
        at_truth: what it says in the cells of the annotated objects' centres, one for each.
        truth: the annotated objects that it can know: with an extent, their centre in the picture.
        annotations: all of them as a COCO dictionary; pictures are numbered from 0.
        results: COCO results of the full model ("all") and of each component ("1" to M) where there are several.
        shown: some pictures.
    """

    found: FoundObjects
    at_truth: FoundObjects
    truth: TrueObjects
    annotations: Json
    results: dict[str, list[Json]]
    shown: tuple[Shown, ...]


@torch.no_grad()
def gather_records(
    model: DenseModel,
    spec: DenseSpec,
    dataset: Scenes,
    count: int = 100,
    batch_size: int = 8,
    workers: int = 0,
    device: torch.device | str | None = None,
    show: int = 6,
    least_score: float | int = 0.3,
    progress: bool = True,
    title: str = "components",
) -> Gathered:
    """Run a network over whole pictures and note what it says where, by which component.

    One pass per picture at the size of training, without flip test and refinement: the densities themselves are looked
    at. Scores are the centres' alone.

    Args:
        model: the network.
        spec: what it was built from.
        dataset: whole pictures of its categories and skeleton.
        count: peaks per picture.
        batch_size: pictures per pass.
        workers: processes that read pictures.
        device: where to run; by default a GPU if there is one.
        show: how many pictures to keep, evenly taken.
        least_score: of the predictions that are drawn in them.
        progress: show a bar.
        title: what the bar is called.

    Raises:
        InputError: there are no pictures.
    """
    pairs = _Pairs(dataset, SceneTransform((spec.image_size[0], spec.image_size[1])))
    if not len(pairs):
        raise InputError("expected pictures to look at, found none; correct the data set's arguments")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model = model.eval().to(device)
    kept = {i * len(pairs) // show for i in range(show)}
    modes = model.head.components
    results: dict[str, list[Json]] = {"all": [], **{str(m + 1): [] for m in range(modes if modes > 1 else 0)}}
    found: list[FoundObjects] = []
    at_truth: list[FoundObjects] = []
    truth: list[TrueObjects] = []
    entries: list[Json] = []
    shown: list[Shown] = []
    known = 0
    for originals, batch in _batches(pairs, batch_size, workers, progress, title):
        maps = model.predict(batch.images.to(device).float() / 255)
        target = dense_targets(batch, model.num_categories, model.stride, refine=False)
        objects, present = int(target.present.sum()), target.present
        match = torch.full_like(target.cell, -1)
        match[present] = torch.arange(known, known + objects)
        known += objects
        scores, category, cell = peaks(maps.centre.float().sigmoid(), count)
        said = answers_at(model, maps, cell, category, batch.affine)
        central = answers_at(model, maps, target.cell, batch.category, batch.affine)
        boxes = said.of(said.component)[0]
        overlap = [
            _matched(boxes[b], said.category[b], originals[b][1], batch.annotation_id[b], match[b])
            for b in range(len(originals))
        ]
        real = (scores > 0).cpu()  # where a picture has fewer peaks than `count`, the rest scores 0
        found.append(said.records(torch.stack(overlap), real))
        at_truth.append(central.records(match, present))
        truth.append(_true_objects(batch, present))
        for b, (number, scene, _) in enumerate(originals):
            entries += annotations_of(scene, number, range(1, len(scene.categories) + 1))
            for name, listed in results.items():
                taken = said.component if name == "all" else torch.full_like(said.component, int(name) - 1)
                box_xyxy, points, _, _ = said.of(taken)
                listed += results_of(number, said.score[b] * real[b], said.category[b], box_xyxy[b], points[b])
            if number in kept:
                shown.append(_shown(scene, said, b, real[b] & (said.score[b] >= least_score)))
    annotations = annotation_file(len(pairs), entries, spec.categories)
    return Gathered(_joined(found), _joined(at_truth), _joined(truth), annotations, results, tuple(shown))


class _Pairs(Dataset[Pair]):
    """Every picture's number, the picture as it is, and as the network sees it."""

    def __init__(self, scenes: Scenes, transform: SceneTransform) -> None:
        self.scenes, self.transform = scenes, transform

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Pair:
        scene = self.scenes[index]
        return index, scene, self.transform(scene)


def _batches(
    pairs: _Pairs, batch_size: int, workers: int, progress: bool, title: str
) -> Iterator[tuple[list[Pair], SceneBatch]]:
    loader = DataLoader(pairs, batch_size, num_workers=workers, collate_fn=list)
    for members in tqdm(loader, title, disable=not progress):
        yield members, collate_scenes([seen for _, _, seen in members])


def _true_objects(batch: SceneBatch, present: Tensor) -> TrueObjects:
    zoom = batch.affine[:, 0, :2].norm(dim=-1)[:, None].float()
    facing = batch.facts.get("facing", torch.full(present.shape, torch.nan))
    return TrueObjects(
        (box_area(batch.box_xyxy).sqrt() / zoom)[present],
        batch.category[present],
        batch.visibility[present],
        facing[present].float(),
    )


def _matched(
    boxes: Float[Tensor, "N 4"],
    category: Int[Tensor, "N"],
    scene: Scene,
    annotation_id: Int[Tensor, "T"],
    match: Int[Tensor, "T"],
) -> Int[Tensor, "N"]:
    """Which annotated object each prediction is, the best first choosing; -1 for none.

    Args:
        boxes: best score first, pixels of the original picture.
        category: of the predictions.
        scene: the original picture.
        annotation_id: of the batch's row of objects.
        match: their numbers, -1 for what does not count.
    """
    numbers = {int(a): int(m) for a, m in zip(annotation_id.tolist(), match.tolist(), strict=True) if m >= 0}
    iou = box_iou(boxes, scene.box_xyxy.float())
    iou = torch.where(category[:, None] == scene.category, iou, 0.0)
    found = torch.full((len(boxes),), -1)
    for n in (iou.amax(1) >= LEAST_IOU).nonzero().flatten().tolist() if len(scene.box_xyxy) else []:
        best = int(iou[n].argmax())
        if float(iou[n, best]) >= LEAST_IOU:
            found[n] = numbers.get(int(scene.annotation_id[best]), -1)
            iou[:, best] = 0.0
    return found


def _shown(scene: Scene, said: Answers, row: int, chosen: Tensor) -> Shown:
    box_xyxy, points, _, covariance = said.of(said.component)
    return Shown(
        str(scene.image_id),
        scene.image,
        box_xyxy[row][chosen],
        said.score[row][chosen],
        said.component[row][chosen],
        tuple(scene.categories[c] for c in said.category[row][chosen].tolist()),
        points[row][chosen],
        covariance[row][chosen][:, : points.shape[2]],
    )


def _joined(records: Sequence[Record]) -> Record:
    kind = type(records[0])
    return kind(**{field.name: torch.cat([getattr(r, field.name) for r in records]) for field in fields(kind)})
