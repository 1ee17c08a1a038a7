"""From pictures and boxes to `Prediction`s."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poserior.distributions import separate_modes
from poserior.ensemble import Ensemble
from poserior.errors import InputError
from poserior.inference.answers import Answers, answer
from poserior.inference.regions import COVERAGE, fitted_regions
from poserior.models import Model, ModelSpec, load_model
from poserior.pictures import PersonInPicture, each_person
from poserior.structures import Modes, Prediction, Region, Sample
from poserior.transforms import TopDown, collate

Image = np.ndarray | Tensor | str | Path
Boxes = Tensor | np.ndarray | Sequence[Sequence[float | int]]
Scores = Tensor | np.ndarray | Sequence[float | int]


class Predictor:
    """A trained model as a function from pictures and boxes to people.

    Crops of all people in all pictures share the model's batches; one picture at a time is in memory when paths are
    given.

    Args:
        model: a trained regressor or an ensemble of them; it is put in eval mode and on `device`.
        spec: what it was built from.
        flip_test: fuse every density with the mirrored crop's (twice the work, a better answer).
        batch_size: crops per pass.
        device: where to run; by default a GPU if there is one.
        regions: the coverage of `Prediction.regions`. By default 0.9 if the model has regions that were fitted with the
            same `flip_test`, else predictions have none; an ensemble never has.

    Raises:
        InputError: no such batch size, or regions are asked for that the model does not have.
    """

    def __init__(
        self,
        model: Model,
        spec: ModelSpec,
        flip_test: bool = True,
        batch_size: int = 64,
        device: torch.device | str | None = None,
        regions: float | None = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"expected a batch size of at least 1, found {batch_size}; give a positive number")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model, self.spec = model.eval().to(self.device), spec
        self.flip_test, self.batch_size = flip_test, batch_size
        self._crop = TopDown(spec.image_size, spec.box_padding)
        self._regions = fitted_regions(self.model, spec, flip_test, regions)
        self._coverage = COVERAGE if regions is None else regions

    def __call__(
        self,
        images: Sequence[Image],
        boxes: Sequence[Boxes | None] | None = None,
        scores: Sequence[Scores | None] | None = None,
        image_ids: Sequence[int | str] | None = None,
    ) -> list[list[Prediction]]:
        """Find people's keypoints.

        Args:
            images: RGB pictures ``(H, W, 3)`` of 0..255, or paths. Files are turned upright when there are no boxes;
                boxes speak of the pixels as stored, as COCO's do.
            boxes: per picture ``(N, 4)`` corners ``x0 y0 x1 y1`` in its pixels; None takes the whole picture for one
                person, for all pictures or for one.
            scores: per picture the N boxes' scores; 1 if not given.
            image_ids: what the predictions are to call the pictures; by default a path's file name or the position.

        Returns:
            Per picture its N people, in the order of the boxes.

        Raises:
            InputError: a picture or box cannot be used, or the lists differ in length.
        """
        given = each_person(_on_cpu(images), _on_cpu(boxes), _on_cpu(scores), image_ids)
        people = ((person.position, self._cut_out(person)) for person in given)
        found: list[list[Prediction]] = [[] for _ in range(len(images))]
        while batch := list(islice(people, self.batch_size)):
            for position, prediction in zip(
                [position for position, _ in batch], self.predict_crops([sample for _, sample in batch]), strict=True
            ):
                found[position].append(prediction)
        return found

    def _cut_out(self, person: PersonInPicture) -> Sample:
        unknown = self.spec.skeleton.num_keypoints
        whole = Sample(
            image=torch.from_numpy(np.require(person.pixels, requirements=["C", "W"])),
            keypoints=torch.zeros(unknown, 2),
            visibility=torch.zeros(unknown, dtype=torch.int64),
            box_xyxy=torch.from_numpy(person.box_xyxy),
            area=1.0,  # unknown, and looked at by nobody: the confidence takes it from the box
            skeleton=self.spec.skeleton,
            image_id=person.image_id,
            score=person.score,
            source=str(person.image_id),
        )
        return self._crop(whole)

    @torch.no_grad()
    def predict_crops(self, crops: list[Sample]) -> list[Prediction]:
        """One batch of people that were cropped already (`TopDown` without augmentation)."""
        images, target = collate(crops)
        answers = answer(self.model, self.spec, images.to(self.device), target, self.flip_test)
        law = answers.in_image()
        regions, modes = self._regions_of(target.box_xyxy), _modes_of(answers)
        found = (answers.mode, answers.covariance, answers.visibility, answers.confidence, answers.score, answers.area)
        mode, covariance, visibility, confidence, score, area = (part.float().cpu() for part in found)
        return [
            Prediction(
                keypoints=mode[b],
                covariance=covariance[b],
                visibility=visibility[b],
                confidence=confidence[b],
                score=float(score[b]) * crop.score,
                box_xyxy=crop.box_xyxy,
                skeleton=self.spec.skeleton,
                image_id=crop.image_id,
                area=float(area[b]),
                distribution=law[b],
                regions=regions[b],
                modes=modes[b],
            )
            for b, crop in enumerate(crops)
        ]

    def _regions_of(self, box_xyxy: Tensor) -> list[dict[float, Region]]:
        """The regions of people in these boxes; the object's area is taken from the box, as in the fit."""
        if self._regions is None:
            return [{}] * len(box_xyxy)
        box_xyxy = box_xyxy.float().to(self.device)
        area = self.spec.expected_area(box_xyxy)
        radii, levels = self._regions.radii(self._coverage, area), self._regions.levels(self._coverage, area)
        return [
            {self._coverage: Region(radius, level)}
            for radius, level in zip(radii.float().cpu(), levels.float().cpu(), strict=True)
        ]


def _modes_of(answers: Answers) -> list[Modes | None]:
    """Each person's modes in image pixels; None for those who have one per keypoint."""
    several = separate_modes(answers.distribution)
    if several is None:
        return [None] * len(answers.mode)
    points = several[0] * answers.scale[:, None] + answers.shift[:, None]
    weights = several[1].float().cpu()
    points = torch.where(weights[..., None] > 0, points.float().cpu(), 0.0)
    most = (weights > 0).sum(-1).amax(-1).tolist()
    return [Modes(points[b, :, :count], weights[b, :, :count]) if count > 1 else None for b, count in enumerate(most)]


def _on_cpu(values: Any) -> Any:
    """Tensors of a list where arrays can see them."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return values
    return [value.detach().cpu() if isinstance(value, Tensor) else value for value in values]


def load(
    run_dir: str | Path | Sequence[str | Path],
    flip_test: bool = True,
    batch_size: int = 64,
    device: str | None = None,
    regions: float | None = None,
) -> Predictor:
    """The predictor of a run's folder (``model.yaml`` and ``model.safetensors``), or of several runs as an ensemble.

    The options are those of `Predictor`.
    """
    model: Model
    folders = [run_dir] if isinstance(run_dir, str | Path) else list(run_dir)
    model, spec = load_model(Path(folders[0])) if len(folders) == 1 else Ensemble.load(folders)
    return Predictor(model, spec, flip_test, batch_size, device, regions)
