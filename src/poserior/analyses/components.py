"""What each component of a dense mixture is for: everything that one run's predictions say about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float, Int, UInt8
from torch import Tensor

from poserior.analyses.component_records import FoundObjects, TrueObjects
from poserior.analyses.component_scale import ScaleSplit, scale_split
from poserior.analyses.component_spread import SpreadSplit, spread_split
from poserior.analyses.component_view import ViewSplit, view_split
from poserior.analyses.learning import LearningCurve
from poserior.skeletons import Skeleton


@dataclass(frozen=True)
class Timing:
    """One way of predicting: how fast and how good.

    Attributes:
        setting: as it was asked for, e.g. "512f".
        seconds: per picture, median, one picture at a time.
        average_precision: of the same pictures.
    """

    setting: str
    seconds: float
    average_precision: float


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture with predictions, in its own pixels.

    Attributes:
        name: of the picture.
        image: RGB.
        box_xyxy: ``(N, 4)``.
        score: ``(N,)``.
        component: ``(N,)``.
        label: N categories' names.
        points: ``(N, K, 2)``; K is 0 for mere boxes.
        covariance: ``(N, K, 2, 2)`` square pixels; not a number where there is none.
    """

    name: str
    image: UInt8[Tensor, "H W 3"]
    box_xyxy: Float[Tensor, "N 4"]
    score: Float[Tensor, "N"]
    component: Int[Tensor, "N"]
    label: tuple[str, ...]
    points: Float[Tensor, "N K 2"]
    covariance: Float[Tensor, "N K 2 2"]


@dataclass(frozen=True, eq=False)
class Components:
    """One run.

    Attributes:
        components: M; 1 for a law with a single mode.
        categories: the objects' names.
        skeleton: what the keypoints are; None for mere boxes.
        truths: annotated objects.
        predictions: of at least `least_score`.
        least_score: which predictions count in rates and histograms.
        average_precision: "all" (the full model) and "1" to M (that component makes all predictions) to COCO's
            numbers.
        scale: None without components.
        spread: None where the law has no standard deviations.
        view: None for mere boxes and without components.
        subsets: keypoint subset to COCO's numbers; empty for mere boxes.
        displaced: distance to subset to AP; empty for mere boxes.
        timings: ways of predicting, as far as they were asked for.
        learning: the run's log; None without one.
        shown: pictures.
    """

    components: int
    categories: tuple[str, ...]
    skeleton: Skeleton | None
    truths: int
    predictions: int
    least_score: float
    average_precision: Mapping[str, Mapping[str, float]]
    scale: ScaleSplit | None
    spread: SpreadSplit | None
    view: ViewSplit | None
    subsets: Mapping[str, Mapping[str, float]]
    displaced: Mapping[str, Mapping[str, float]]
    timings: tuple[Timing, ...]
    learning: LearningCurve | None
    shown: tuple[Shown, ...]


def describe_components(
    found: FoundObjects,
    at_truth: FoundObjects,
    truth: TrueObjects,
    categories: tuple[str, ...],
    skeleton: Skeleton | None,
    least_score: float | int = 0.3,
    average_precision: Mapping[str, Mapping[str, float]] | None = None,
    subsets: Mapping[str, Mapping[str, float]] | None = None,
    displaced: Mapping[str, Mapping[str, float]] | None = None,
    timings: tuple[Timing, ...] = (),
    learning: LearningCurve | None = None,
    shown: tuple[Shown, ...] = (),
) -> Components:
    """Put together what `scale_split`, `spread_split` and `view_split` say, as far as each has a meaning.

    Args:
        found: all predictions.
        at_truth: what the network says at the annotated objects' centres, `match` telling which object it is.
        truth: the annotated objects.
        categories: their names.
        skeleton: None for mere boxes.
        least_score: predictions below it do not count in rates and histograms.
        average_precision: see `Components`, as are the rest.
        subsets: keypoint subset to COCO's numbers.
        displaced: distance to subset to AP.
        timings: ways of predicting.
        learning: the run's log.
        shown: pictures.
    """
    modes = found.weights.shape[1]
    sure = _where(found, found.score >= least_score)
    several = modes > 1
    return Components(
        components=modes,
        categories=categories,
        skeleton=skeleton,
        truths=len(truth.scale),
        predictions=len(sure.score),
        least_score=float(least_score),
        average_precision=average_precision or {},
        scale=scale_split(sure, at_truth, truth) if several else None,
        spread=spread_split(sure, skeleton) if several or bool(sure.spread.isfinite().any()) else None,
        view=view_split(found, at_truth, truth, skeleton) if several and skeleton is not None else None,
        subsets=subsets or {},
        displaced=displaced or {},
        timings=timings,
        learning=learning,
        shown=shown,
    )


def _where(found: FoundObjects, chosen: Tensor) -> FoundObjects:
    return FoundObjects(
        found.score[chosen],
        found.category[chosen],
        found.component[chosen],
        found.weights[chosen],
        found.scale[chosen],
        found.spread[chosen],
        found.offsets[chosen],
        found.match[chosen],
    )
