"""From pictures of any size to all the people, or all the objects, in them: one network, one pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from poserior.dense.canvas import Plan, plan, shown
from poserior.dense.choices import Choice
from poserior.dense.decode import candidates
from poserior.dense.flip import flip_candidates
from poserior.dense.found import Found, Score, cut, in_pictures
from poserior.dense.matching import How
from poserior.dense.model import DenseModel
from poserior.dense.multi_scale import merge
from poserior.dense.objects import boxes as found_boxes
from poserior.dense.objects import people as found_people
from poserior.dense.soft_nms import SoftNms
from poserior.dense.spec import DenseSpec
from poserior.errors import InputError
from poserior.pictures import each_person
from poserior.scenes import Detection
from poserior.structures import Prediction

Image = np.ndarray | Tensor | str | Path


class _Shown(NamedTuple):
    """One picture on one canvas: which pass over which picture it is, its pixels, and where it lies."""

    scale: int
    position: int
    pixels: np.ndarray
    zoom: float
    shift: np.ndarray


class DensePredictor:
    """A trained one-stage network as a function from pictures to people, or to boxes.

    Pictures of all sizes share batches: each is resampled once, onto a canvas of the size the network was trained on,
    or stays at its own size and shares batches with those that fill the same canvas. The answer to a picture does not
    depend on the others.

    The network does not say whether a keypoint is in the picture: `Prediction.visibility` is 1, or, with `refine`, the
    keypoint's heat. A keypoint's covariance is the density's, also where it was moved to a peak of the heat.

    Args:
        model: put in eval mode and on `device`.
        spec: what it was built from.
        flip_test: run the mirrored pictures too (twice the work).
        scales: run at each of these, as factors of the canvas; e.g. ``(0.5, 0.75, 1, 1.25, 1.5)``.
        choice: which point of a density is the answer, see `poserior.dense.choices.choose`.
        refine: move keypoints to the peaks of their heat; by default if the network has such heat.
        score: rank by the probability of the centre times the OKS (IoU) that can be expected, or by the former alone.
        count: at most so many objects in a picture.
        threshold: the least score. An evaluation by AP wants 0.
        nms: ``"gaussian"`` or ``"linear"`` soft suppression of overlapping boxes, ``"none"`` for none; by default
            Gaussian if there are several scales, since each finds the same objects.
        image_size: the canvas's ``(H, W)`` at scale 1; by default the one of training; ``"original"`` keeps pictures at
            their own size.
        fusion: how the flip test fuses densities, see `poserior.dense.matching.fuse`.
        batch_size: canvases per pass.
        device: where to run; by default a GPU if there is one.

    Raises:
        InputError: an option that the network cannot do.
    """

    def __init__(
        self,
        model: DenseModel,
        spec: DenseSpec,
        flip_test: bool = False,
        scales: Sequence[float | int] = (1,),
        choice: Choice = "best",
        refine: bool | None = None,
        score: Score = "expected",
        count: int = 100,
        threshold: float | int = 0.1,
        nms: SoftNms | str | None = None,
        image_size: Sequence[int] | str | None = None,
        fusion: How = "match",
        batch_size: int = 8,
        device: torch.device | str | None = None,
    ) -> None:
        if refine and not model.refine:
            raise InputError("expected a network with keypoint heat for refine, found one without; leave refine out")
        if not scales or not all(0.05 <= scale <= 20 for scale in scales):
            raise InputError(f"expected scales between 0.05 and 20, found {list(scales)}; give e.g. 0.5 1 1.5")
        if nms not in (None, "none", "gaussian", "linear"):
            raise InputError(f"expected nms gaussian, linear or none, found {nms!r}; correct it")
        for name, value, known in (("score", score, Score), ("choice", choice, Choice), ("fusion", fusion, How)):
            if value not in get_args(known):
                raise InputError(f"expected {name} {' or '.join(get_args(known))}, found {value!r}; correct it")
        if batch_size < 1 or count < 1:
            raise InputError(f"expected batch_size and count of at least 1, found {batch_size} and {count}")
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model, self.spec = model.eval().to(self.device), spec
        self.flip_test, self.scales, self.choice = flip_test, tuple(scales), choice
        self.refine = model.refine if refine is None else refine
        self.score: Score = score
        self.count, self.threshold, self.fusion, self.batch_size = count, float(threshold), fusion, batch_size
        self.nms: SoftNms | None = _suppression(nms, several=len(self.scales) > 1)
        self._target = _canvas(spec.image_size if image_size is None else image_size)

    def __call__(
        self,
        images: Sequence[Image],
        boxes: Sequence[Any] | None = None,
        scores: Sequence[Any] | None = None,
        image_ids: Sequence[int | str] | None = None,
    ) -> list[list[Prediction]] | list[list[Detection]]:
        """Find everybody, or everything.

        Args:
            images: RGB pictures ``(H, W, 3)`` of 0..255, or paths; files are turned upright.
            boxes: there for the likeness to `poserior.inference.Predictor`; nothing but None.
            scores: the same.
            image_ids: what the answers are to call the pictures; by default a path's file name or the position.

        Returns:
            Per picture what was found, best first: `Prediction` of a network of poses, `Detection` of one of boxes.

        Raises:
            InputError: a picture cannot be used, or boxes were given.
        """
        for given in (boxes, scores):
            if given is not None and any(each is not None for each in given):
                raise InputError("expected no boxes for a one-stage network, which finds people itself; leave them out")
        pictures = each_person([_on_cpu(image) for image in images], None, None, image_ids)
        names: list[int | str] = []
        waiting: dict[Plan, list[_Shown]] = {}
        results: dict[tuple[int, int], tuple[Found, int]] = {}
        for picture in pictures:
            names.append(picture.image_id)
            for number, scale in enumerate(self.scales):
                how = plan(picture.pixels.shape[:2], self._target, scale, self.model.backbone.size_divisor)
                pixels, shift = shown(picture.pixels, how)
                batch = waiting.setdefault(how._replace(zoom=1.0), [])
                batch.append(_Shown(number, picture.position, pixels, how.zoom, shift))
                if len(batch) == self.batch_size:
                    results |= self._run(waiting.pop(how._replace(zoom=1.0)))
        for batch in waiting.values():
            results |= self._run(batch)
        passes = [[results[position, number] for number in range(len(self.scales))] for position in range(len(names))]
        merged = [merge(each, self.nms, self.count, self.threshold) for each in passes]
        together = list(zip(passes, merged, names, strict=True))
        if self.spec.skeleton is None:
            return [found_boxes(each, stays, self.spec.categories, name) for each, stays, name in together]
        return [found_people(each, stays, self.spec.skeleton, name) for each, stays, name in together]

    def _run(self, batch: Sequence[_Shown]) -> dict[tuple[int, int], tuple[Found, int]]:
        """One batch through the network, by picture and scale."""
        images = torch.from_numpy(np.stack([one.pixels for one in batch])).to(self.device).permute(0, 3, 1, 2)
        zoom = torch.tensor([one.zoom for one in batch], dtype=torch.float64)
        shift = torch.from_numpy(np.stack([one.shift for one in batch]))
        found = self.find(images.float() / 255, self.model.stride / zoom, -shift / zoom[:, None])
        return {(one.position, one.scale): (found, row) for row, one in enumerate(batch)}

    @torch.no_grad()
    def find(self, images: Tensor, pixels: Tensor, origin: Tensor) -> Found:
        """One batch of canvases: network, decoding, refinement, judgement.

        Args:
            images: RGB in [0, 1], ``(B, 3, H, W)``.
            pixels: ``(B,)`` how many pixels of the original picture a cell is wide.
            origin: ``(B, 2)`` where the canvas's corner lies in the original picture.
        """
        if self.flip_test:
            order = () if self.spec.skeleton is None else self.spec.skeleton.flip_indices
            found, maps = flip_candidates(self.model, images, order, self.count, self.choice, self.fusion)
        else:
            maps = self.model.predict(images)
            found = candidates(maps, self.model.head, self.count, self.choice)
        counts = (found.score >= self.threshold) & (found.score > 0)
        most = int(counts.sum(1).amax())  # no score is above its centre's
        pixels, origin = pixels.float().to(self.device), origin.float().to(self.device)
        return in_pictures(
            cut(found, most), maps, self.model.head, self.spec.skeleton, pixels, origin, self.refine, self.score
        )


def _suppression(nms: Any, several: bool) -> SoftNms | None:
    if nms is None:
        return "gaussian" if several else None
    return None if nms == "none" else nms


def _canvas(image_size: Sequence[int] | str) -> tuple[int, int] | None:
    if image_size == "original":
        return None
    if isinstance(image_size, str) or len(image_size) != 2 or min(image_size) < 1:
        raise InputError(f"expected image_size as (H, W) or 'original', found {image_size!r}; correct it")
    return int(image_size[0]), int(image_size[1])


def _on_cpu(image: Image) -> Any:
    return image.detach().cpu() if isinstance(image, Tensor) else image
