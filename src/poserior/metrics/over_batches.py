"""The metrics as `torchmetrics.Metric`: over batches, processes and Lightning's loops.

One base keeps what it is shown; each class calls its function on all of it at the end. They live apart from the
functions because torchmetrics takes seconds to import and brings matplotlib along; `poserior.metrics` imports this file
when one of the classes is first asked for.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from poserior.distributions import Distribution
from poserior.metrics.average_precision import coco_average_precision, people_to_coco
from poserior.metrics.base import Visibility, labelled_values, masked_mean
from poserior.metrics.correlation import pearson, spearman
from poserior.metrics.coverage import PROBABILITIES, coverage
from poserior.metrics.end_point import end_point_error
from poserior.metrics.nll import keypoint_nll
from poserior.metrics.oks import oks
from poserior.metrics.pck import pck
from poserior.metrics.reliability import ece
from poserior.metrics.sparsification import ause


class Collected(Metric):
    """A `torchmetrics.Metric` that keeps what it is shown and computes its function on all of it at the end.

    So the class gives the very value of the function, over any number of batches and processes. Subclasses name
    their inputs and write `update` and `compute`.
    """

    full_state_update = False
    is_differentiable = False

    def __init__(self, inputs: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inputs = tuple(inputs)
        for name in self.inputs:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def collect(self, *values: Tensor) -> None:
        """Keep one batch, in the order of the inputs."""
        for name, value in zip(self.inputs, values, strict=True):
            getattr(self, name).append(value.detach())

    def collected(self) -> list[Tensor]:
        """All batches, in the order of the inputs."""
        return [dim_zero_cat(getattr(self, name)) for name in self.inputs]


class ObjectKeypointSimilarity(Collected):
    """Mean OKS of the people who have a labelled keypoint; see `oks`.

    Args:
        oks_sigmas: COCO's constants, one per keypoint.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = True

    def __init__(self, oks_sigmas: Sequence[float], **kwargs: Any) -> None:
        super().__init__(("similarity",), **kwargs)
        self.oks_sigmas = tuple(oks_sigmas)

    def update(
        self,
        preds: Float[Tensor, "N K D"],
        target: Float[Tensor, "N K D"],
        area: Float[Tensor, "N"],
        visibility: Visibility,
    ) -> None:
        self.collect(oks(preds, target, area, self.oks_sigmas, visibility))

    def compute(self) -> Float[Tensor, ""]:
        (similarity,) = self.collected()
        return similarity.nanmean()


class CocoKeypointAP(Collected):
    """`coco_average_precision` of a top-down method's people, over batches.

    Args:
        oks_sigmas: COCO's constants, one per keypoint.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = True

    def __init__(self, oks_sigmas: Sequence[float], **kwargs: Any) -> None:
        super().__init__(("preds", "target", "visibility", "area", "box_xyxy", "score", "image_id"), **kwargs)
        self.oks_sigmas = tuple(oks_sigmas)

    def update(
        self,
        preds: Float[Tensor, "N K 2"],
        target: Float[Tensor, "N K 2"],
        visibility: Visibility,
        area: Float[Tensor, "N"],
        box_xyxy: Float[Tensor, "N 4"],
        score: Float[Tensor, "N"],
        image_id: Int[Tensor, "N"],
    ) -> None:
        self.collect(preds, target, visibility, area, box_xyxy, score, image_id)

    def compute(self) -> dict[str, Tensor]:
        preds, target, visibility, area, box_xyxy, score, image_id = (value.cpu() for value in self.collected())
        people = range(1, len(image_id) + 1)
        annotations, results = people_to_coco(
            preds, target, visibility, area, box_xyxy, score, image_id.tolist(), people
        )
        scores = coco_average_precision(results, annotations, self.oks_sigmas)
        return {key: torch.tensor(value) for key, value in scores.items()}


class PercentageCorrectKeypoints(Collected):
    """`pck` (or, given head sizes, `pckh`) over batches.

    Args:
        threshold: the share of the size that is still correct.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = True

    def __init__(self, threshold: float = 0.2, **kwargs: Any) -> None:
        super().__init__(("preds", "target", "size", "visibility"), **kwargs)
        self.threshold = threshold

    def update(
        self,
        preds: Float[Tensor, "N K D"],
        target: Float[Tensor, "N K D"],
        size: Float[Tensor, "N"],
        visibility: Visibility,
    ) -> None:
        self.collect(preds, target, size, visibility)

    def compute(self) -> Float[Tensor, ""]:
        preds, target, size, visibility = self.collected()
        return pck(preds, target, size, visibility, self.threshold)


class EndPointError(Collected):
    """`end_point_error` over batches."""

    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(("preds", "target", "visibility"), **kwargs)

    def update(self, preds: Float[Tensor, "N K D"], target: Float[Tensor, "N K D"], visibility: Visibility) -> None:
        self.collect(preds, target, visibility)

    def compute(self) -> Float[Tensor, ""]:
        preds, target, visibility = self.collected()
        return end_point_error(preds, target, visibility)


class NegativeLogLikelihood(Collected):
    """`nll` over batches."""

    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(("values", "visibility"), **kwargs)

    def update(self, distribution: Distribution, target: Float[Tensor, "N K D"], visibility: Visibility) -> None:
        self.collect(keypoint_nll(distribution, target, visibility), visibility)

    def compute(self) -> Float[Tensor, ""]:
        values, visibility = self.collected()
        return masked_mean(values, visibility)


class Coverage(Collected):
    """`coverage` over batches.

    Args:
        probabilities: the regions' masses.
        kwargs: of `torchmetrics.Metric`.
    """

    def __init__(self, probabilities: Sequence[float] = PROBABILITIES, **kwargs: Any) -> None:
        super().__init__(("levels", "visibility"), **kwargs)
        self.probabilities = tuple(probabilities)

    def update(self, levels: Float[Tensor, "..."], visibility: Visibility) -> None:
        self.collect(levels, visibility)

    def compute(self) -> Float[Tensor, "P"]:
        levels, visibility = self.collected()
        return coverage(levels, visibility, self.probabilities)


class Correlation(Collected):
    """`pearson`, or with ``ranks=True`` `spearman`, over batches.

    Args:
        ranks: correlate the ranks.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = True

    def __init__(self, ranks: bool = False, **kwargs: Any) -> None:
        super().__init__(("preds", "target"), **kwargs)
        self.ranks = ranks

    def update(
        self, preds: Float[Tensor, "..."], target: Float[Tensor, "..."], visibility: Visibility | None = None
    ) -> None:
        self.collect(*labelled_values(visibility, preds, target))

    def compute(self) -> Float[Tensor, ""]:
        preds, target = self.collected()
        return spearman(preds, target) if self.ranks else pearson(preds, target)


class SparsificationError(Collected):
    """`ause` over batches.

    Args:
        normalise: divide by the mean error.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = False

    def __init__(self, normalise: bool = False, **kwargs: Any) -> None:
        super().__init__(("errors", "confidence"), **kwargs)
        self.normalise = normalise

    def update(
        self, errors: Float[Tensor, "..."], confidence: Float[Tensor, "..."], visibility: Visibility | None = None
    ) -> None:
        self.collect(*labelled_values(visibility, errors, confidence))

    def compute(self) -> Float[Tensor, ""]:
        errors, confidence = self.collected()
        return ause(errors, confidence, normalise=self.normalise)


class CalibrationError(Collected):
    """`ece` over batches.

    Args:
        bins: how many.
        kwargs: of `torchmetrics.Metric`.
    """

    higher_is_better = False

    def __init__(self, bins: int = 10, **kwargs: Any) -> None:
        super().__init__(("confidence", "accuracy"), **kwargs)
        self.bins = bins

    def update(
        self, confidence: Float[Tensor, "..."], accuracy: Float[Tensor, "..."], visibility: Visibility | None = None
    ) -> None:
        self.collect(*labelled_values(visibility, confidence, accuracy))

    def compute(self) -> Float[Tensor, ""]:
        confidence, accuracy = self.collected()
        return ece(confidence, accuracy, bins=self.bins)
