"""A detector's boxes instead of annotated ones: people that are looked for, not given."""

from collections.abc import Sequence

import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from poserior.geometry import box_area
from poserior.inference.predictor import Predictor
from poserior.metrics import oks_nms
from poserior.structures import Prediction, Sample
from poserior.transforms import TopDown


def predict_people(
    predictor: Predictor, people: Dataset[Sample], name: str, num_workers: int = 0, progress: bool = True
) -> list[Prediction]:
    """Predict every sample of a data set in its own box, labelled or not.

    A person's score is the visibility-weighted mean of the keypoints' confidences times the box's score.

    Args:
        predictor: the trained model.
        people: whole pictures with one box each, e.g. ``CocoKeypoints(..., boxes=FILE)``.
        name: what the progress bar says.
        num_workers: processes that read and crop.
        progress: show that bar on stderr.
    """
    loader: DataLoader[list[Sample]] = DataLoader(
        _Crops(people, TopDown(predictor.spec.image_size, predictor.spec.box_padding)),  # type: ignore[arg-type]
        batch_size=predictor.batch_size,
        num_workers=num_workers,
        collate_fn=list,
        generator=torch.Generator(),  # the loader draws a seed for its workers: not from the global state
    )
    found: list[Prediction] = []
    for crops in tqdm(loader, desc=name, disable=not progress):
        found += predictor.predict_crops(crops)
    return found


def without_duplicates(people: Sequence[Prediction], area_per_box: float, threshold: float = 0.9) -> list[Prediction]:
    """`metrics.oks_nms` picture by picture; who stays keeps the order.

    Args:
        people: predictions in any number of pictures.
        area_per_box: the share of a box's area that the object's area is taken for (`ModelSpec.area_per_box`).
        threshold: of OKS, above which the lower-scored person goes.
    """
    pictures: dict[int | str, list[int]] = {}
    for n, person in enumerate(people):
        pictures.setdefault(person.image_id, []).append(n)
    stay: list[int] = []
    for here in pictures.values():
        boxes = torch.stack([people[n].box_xyxy for n in here])
        kept = oks_nms(
            torch.stack([people[n].keypoints[:, :2] for n in here]),
            torch.tensor([people[n].score for n in here]),
            area_per_box * box_area(boxes),
            people[here[0]].skeleton.oks_sigmas,
            threshold,
        )
        stay += [here[n] for n in kept]
    return [people[n] for n in sorted(stay)]


class _Crops(Dataset[Sample]):
    def __init__(self, people: Dataset[Sample], crop: TopDown) -> None:
        self.people, self.crop = people, crop

    def __len__(self) -> int:
        return len(self.people)  # type: ignore[arg-type]  # torch's Dataset does not declare its length

    def __getitem__(self, index: int) -> Sample:
        return self.crop(self.people[index])
