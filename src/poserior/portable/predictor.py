"""From pictures and boxes to people, by an exported model."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poserior.crops import crop_affine, upright_to_image
from poserior.errors import InputError
from poserior.pictures import PersonInPicture, each_person, warp
from poserior.portable.engines import INPUTS, OUTPUTS, Engine, open_engine
from poserior.portable.exported import Exported, parse
from poserior.portable.prediction import PortablePrediction
from poserior.portable.regions import RegionTable

Image = np.ndarray | str | Path


class OnnxPredictor:
    """A file of ``poserior export`` as a function from pictures and boxes to people. Needs no torch.

    Called like `poserior.inference.Predictor`, with the same answers (but for the density itself, which the file does
    not hold). Crops of all people in all pictures share batches; the next batch is read while the graph runs.

    Args:
        path: the ONNX file.
        batch_size: crops per pass.
        threads: how many the engine may use; by default every core the process may use.
        providers: onnxruntime's execution providers, the preferred one first; by default CUDA where onnxruntime has it,
            and the CPU.
        regions: the coverage of `PortablePrediction.regions`. By default 0.9 if the file has it, else predictions have
            none.
        engine: ``"onnxruntime"`` or ``"openvino"``.

    Attributes:
        spec: what the file says of the model.

    Raises:
        InputError: the file is no exported model, its graph and metadata do not belong together, or an option cannot be
            met.
    """

    def __init__(
        self,
        path: str | Path,
        batch_size: int = 64,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
        regions: float | None = None,
        engine: str = "onnxruntime",
    ) -> None:
        if batch_size < 1:
            raise InputError(f"expected a batch size of at least 1, found {batch_size}; give a positive number")
        self.path, self.batch_size = Path(path), batch_size
        self._engine = open_engine(engine, self.path, threads, providers)
        self.spec: Exported = parse(self._engine.metadata, self.path)
        _check_graph(self._engine, self.spec, self.path)
        self._regions = RegionTable.asked_for(self.spec.regions, regions, self.spec.skeleton.num_keypoints, self.path)

    @property
    def flip_test(self) -> bool:
        """Whether the graph fuses every density with the mirrored crop's."""
        return self.spec.flip_test

    def __call__(
        self,
        images: Sequence[Image],
        boxes: Sequence[Any] | None = None,
        scores: Sequence[Any] | None = None,
        image_ids: Sequence[int | str] | None = None,
    ) -> list[list[PortablePrediction]]:
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
        people = each_person(images, boxes, scores, image_ids)
        found: list[list[PortablePrediction]] = [[] for _ in range(len(images))]
        for batch in self._ahead(self.cut_out(person) for person in people):
            for cut, prediction in zip(batch, self.predict_crops(batch), strict=True):
                found[cut.position].append(prediction)
        return found

    def cut_out(self, person: PersonInPicture) -> "CutOut":
        """The person's crop, as `predict_crops` wants it: that of `poserior.transforms.TopDown`, to the bit."""
        crop = crop_affine(person.box_xyxy, self.spec.image_size, self.spec.box_padding)
        pixels = warp(person.pixels, crop, self.spec.image_size)
        return CutOut(person.position, pixels, crop, person.box_xyxy, person.score, person.image_id)

    def _ahead(self, cuts: "Iterator[CutOut]") -> "Iterator[list[CutOut]]":
        """Batches, each made in a thread of its own while its predecessor is worked on."""

        def batch() -> "list[CutOut]":
            return list(islice(cuts, self.batch_size))

        with ThreadPoolExecutor(1, "poserior-read") as reader:
            coming = reader.submit(batch)
            while ready := coming.result():
                coming = reader.submit(batch)
                yield ready

    def predict_crops(self, cuts: "Sequence[CutOut]") -> list[PortablePrediction]:
        """One batch of people that were cut out already."""
        box_xyxy = np.stack([cut.box_xyxy for cut in cuts])
        sides = box_xyxy[:, 2:] - box_xyxy[:, :2]
        box_area = sides[:, 0] * sides[:, 1]
        area = np.float32(self.spec.area_per_box) * box_area
        zoom = np.array([np.sqrt(abs(np.linalg.det(cut.crop[:, :2]))) for cut in cuts], np.float32)
        answers = self.run(np.stack([cut.pixels for cut in cuts]), area * zoom**2)
        mode, covariance, visibility, confidence = (answers[name] for name in OUTPUTS)
        places = [upright_to_image(cut.crop, self.spec.image_size) for cut in cuts]
        scale, shift = (np.stack(part).astype(np.float32)[:, None] for part in zip(*places, strict=True))
        mode = mode * scale + shift
        covariance = covariance * scale[..., :, None] * scale[..., None, :]
        score = person_score(confidence, visibility)
        regions = [{}] * len(cuts) if self._regions is None else self._regions.of(area)
        if "area_share" in answers:
            area = box_area * answers["area_share"]
        return [
            PortablePrediction(
                keypoints=mode[b],
                covariance=covariance[b],
                visibility=visibility[b],
                confidence=confidence[b],
                score=float(score[b]) * cut.score,
                box_xyxy=cut.box_xyxy,
                skeleton=self.spec.skeleton,
                image_id=cut.image_id,
                area=float(area[b]),
                regions=regions[b],
            )
            for b, cut in enumerate(cuts)
        ]

    def run(self, crops: np.ndarray, area: np.ndarray) -> dict[str, np.ndarray]:
        """The graph itself.

        Args:
            crops: ``(B, H, W, 3)`` uint8 RGB.
            area: ``(B,)`` the objects' areas in square pixels of the crops.

        Returns:
            ``keypoints (B, K, D)`` and ``covariance (B, K, D, D)`` in crop-normalised units, ``visibility`` and
            ``confidence (B, K)``, and ``area_share (B,)`` if the model predicts it; float32.
        """
        feed = {
            "images": np.ascontiguousarray(crops.transpose(0, 3, 1, 2)),
            "area": np.ascontiguousarray(area, np.float32),
        }
        answers = self._engine.run({name: feed[name] for name in self._engine.inputs})
        return {name: np.asarray(answer, np.float32) for name, answer in answers.items()}


class CutOut(NamedTuple):
    """A person cut out of a picture.

    Attributes:
        position: of the picture in the list that was given.
        pixels: ``(H, W, 3)`` uint8, the crop.
        crop: ``(2, 3)``, picture pixels to crop pixels.
        box_xyxy: ``(4,)`` in picture pixels.
        score: the box's.
        image_id: the picture's.
    """

    position: int
    pixels: np.ndarray
    crop: np.ndarray
    box_xyxy: np.ndarray
    score: float
    image_id: int | str


def person_score(confidence: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    """``sum_k v_k c_k / sum_k v_k``, 0 if nothing shows; see `poserior.calibration.instance_confidence`.

    >>> round(float(person_score(np.array([0.8, 0.5]), np.array([1.0, 0.5]))), 6)
    0.7
    """
    total = visibility.sum(-1)
    return np.asarray((visibility * confidence).sum(-1) / np.where(total > 0, total, 1))


def _check_graph(engine: Engine, spec: Exported, path: Path) -> None:
    """Refuse a graph that is not what its metadata says."""
    count = spec.skeleton.num_keypoints
    expected = {
        "images": (None, 3, *spec.image_size),
        "keypoints": (None, count, None),
        "covariance": (None, count, None, None),
        "visibility": (None, count),
        "confidence": (None, count),
    }
    shapes = engine.inputs | engine.outputs
    foreign = sorted(set(engine.inputs) - set(INPUTS))
    if foreign or (missing := [name for name in expected if name not in shapes]):
        found = f"the inputs {', '.join(foreign)}" if foreign else f"no {', '.join(missing)}"
        raise InputError(
            f"expected a graph from images and area to {', '.join(OUTPUTS)} in {path}, found {found}; export the run"
            " again"
        )
    for name, sizes in expected.items():
        shape = shapes[name]
        fits = len(shape) == len(sizes) and all(
            None in (size, there) or size == there for size, there in zip(sizes, shape, strict=True)
        )
        if not fits:
            raise InputError(
                f"expected {name} of shape {_told(sizes)} for skeleton {spec.skeleton.name} and crops of"
                f" {spec.image_size[0]} x {spec.image_size[1]}, found {_told(shape)} in {path}; export the run again"
            )


def _told(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
