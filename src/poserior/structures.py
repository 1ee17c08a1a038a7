"""What flows through the library: one person in a picture, the answers to a batch, one predicted person.

Frozen records of tensors and a `Skeleton`; the conversions of a `Prediction` to plain values are their only logic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.distributions import Distribution

from poserior.outputs import coco_entry, person_dict
from poserior.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Sample:
    """One person in one picture, as a data set gives it and as a transform gives it on.

    Attributes:
        image: RGB, ``(H, W, 3)``, 0..255; the whole picture, or after the top-down transform the crop.
        keypoints: ``(K, 2)`` float32 pixels of `image`; zeros where not labelled.
        visibility: ``(K,)`` int64, COCO's: 0 not labelled, 1 occluded, 2 visible.
        box_xyxy: the person's box in pixels of the original picture.
        area: the object's area in square pixels of the original picture (COCO: the mask's).
        skeleton: what the keypoints are.
        image_id: the picture's id, as its file has it.
        annotation_id: the person's id.
        score: how sure a detector was of the box; 1 for an annotated one.
        source: where the picture lies, for messages.
        crop: original picture's pixels to `image`'s pixels, ``(2, 3)`` float64; None before cropping.
        flipped: the crop shows the mirror image (its keypoints are exchanged already).
        head_size: MPII's head size in pixels of the original picture.
        joints_3d: ``(J, 3)`` in metres in the camera's frame (x right, y down, z away), where known.
        true_keypoints: ``(K, 2)`` pixels of the original picture before label noise was added, where known.
        label_law: the law the labels were drawn from, in pixels of the original picture, where known:
            ``batch_shape (K,)``, ``event_shape (2,)``.
    """

    image: UInt8[Tensor, "H W 3"]
    keypoints: Float[Tensor, "K 2"]
    visibility: Int[Tensor, "K"]
    box_xyxy: Float[Tensor, "4"]
    area: float
    skeleton: Skeleton
    image_id: int | str
    annotation_id: int = 0
    score: float = 1.0
    source: str = ""
    crop: Float[Tensor, "2 3"] | None = None
    flipped: bool = False
    head_size: float | None = None
    joints_3d: Float[Tensor, "J 3"] | None = None
    true_keypoints: Float[Tensor, "K 2"] | None = None
    label_law: Distribution | None = None


@dataclass(frozen=True, eq=False)
class Target:
    """What a batch of B crops should be answered with.

    Attributes:
        keypoints: ``(B, K, D)`` in crop-normalised coordinates ([-0.5, 0.5] inside the crop); zeros where not labelled.
        visibility: ``(B, K)``, COCO's 0/1/2.
        area: ``(B,)`` object area in square pixels of the original picture.
        box_xyxy: ``(B, 4)`` in pixels of the original picture.
        crop: ``(B, 2, 3)`` float64, original picture's pixels to crop pixels.
        image_id: B picture ids.
        annotation_id: B person ids.
        head_size: ``(B,)``, not a number where unknown.
    """

    keypoints: Float[Tensor, "B K D"]
    visibility: Int[Tensor, "B K"]
    area: Float[Tensor, "B"]
    box_xyxy: Float[Tensor, "B 4"]
    crop: Float[Tensor, "B 2 3"]
    image_id: tuple[int | str, ...]
    annotation_id: tuple[int, ...]
    head_size: Float[Tensor, "B"]

    @property
    def labelled(self) -> Tensor:
        """``(B, K)`` bool: the keypoints that count."""
        return self.visibility > 0


@dataclass(frozen=True, eq=False)
class Region:
    """Two regions per keypoint, each of which holds the label with the same promised probability.

    Attributes:
        radius: ``(K,)`` of the ellipse ``(y - keypoint)^T covariance^-1 (y - keypoint) <= radius^2``, with the
            prediction's own `keypoints` and `covariance`; infinite where too few labels were known.
        level: ``(K,)`` of the region of highest density ``distribution.credible_level(y) <= level``; 1 is everything.
    """

    radius: Float[Tensor, "K"]
    level: Float[Tensor, "K"]


@dataclass(frozen=True, eq=False)
class Modes:
    """Several answers for each keypoint, from a density that has several peaks; heaviest first.

    Attributes:
        keypoints: ``(K, M, D)``; the first is not always the prediction's, which is the density's highest point.
        weights: ``(K, M)``, the mass about each; 0 where a keypoint has fewer than M.
    """

    keypoints: Float[Tensor, "K M D"]
    weights: Float[Tensor, "K M"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """One predicted person, on the CPU, in pixels of the original picture.

    Attributes:
        keypoints: ``(K, D)``, the mode of the predicted density.
        covariance: ``(K, D, D)`` in square pixels.
        visibility: ``(K,)`` probability that the keypoint is one a human would label (in the picture, seen or guessed).
        confidence: ``(K,)`` in [0, 1], the OKS that can be expected of the keypoint.
        score: the person's: the visibility-weighted mean of `confidence`, times the box's score.
        box_xyxy: the box the person was looked for in.
        skeleton: what the keypoints are.
        image_id: the picture's id or name.
        area: the object's in square pixels, which `confidence` goes by: predicted by models that do so, else the mean
            share of the box; None where nobody said.
        distribution: the predicted density itself, ``batch_shape (K,)``; None when read from a file.
        regions: regions by their promised probability, e.g. 0.9; none if the model has none fitted.
        modes: the density's peaks of weight 0.05 and more, see `distributions.separate_modes`; None if no keypoint has
            several. Of a one-stage network the components of that weight, each a whole pose.
        component: which of a one-stage network's components was answered with; None of all other models.
    """

    keypoints: Float[Tensor, "K D"]
    covariance: Float[Tensor, "K D D"]
    visibility: Float[Tensor, "K"]
    confidence: Float[Tensor, "K"]
    score: float
    box_xyxy: Float[Tensor, "4"]
    skeleton: Skeleton
    image_id: int | str = 0
    area: float | None = None
    distribution: Distribution | None = field(default=None, repr=False)
    regions: Mapping[float, Region] = field(default_factory=dict, repr=False)
    modes: Modes | None = field(default=None, repr=False)
    component: int | None = None

    def to_coco(self, category_id: int = 1) -> dict[str, Any]:
        """One entry of a COCO keypoint-results file, see `poserior.outputs.coco_entry`."""
        return coco_entry(self, category_id)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, in the library's own convention (continuous pixels, boxes as two corners)."""
        return person_dict(self)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """N predicted people beside the truth: what metrics and reports are made of. On the CPU.

    Attributes:
        name: what the table calls it, e.g. the head's name.
        skeleton: what the keypoints are.
        image_id: N picture ids.
        annotation_id: N person ids.
        keypoints: ``(N, K, 2)`` predicted modes in pixels of the original picture.
        covariance: ``(N, K, 2, 2)`` in square pixels; None for a bare results file.
        confidence: ``(N, K)`` in [0, 1].
        visibility: ``(N, K)`` predicted probabilities; None for a bare results file.
        score: ``(N,)`` the people's scores.
        target: ``(N, K, 2)`` the labels in pixels of the original picture.
        target_visibility: ``(N, K)`` COCO's 0/1/2.
        area: ``(N,)`` annotated object area in square pixels.
        box_xyxy: ``(N, 4)``.
        log_prob: ``(N, K)`` log density of the labels, nats in crop-normalised units; None without a density.
        credible_level: ``(N, K)``, see `Distribution.credible_level`; None without a density.
        ellipse_radius: ``(N, K)`` Mahalanobis radius, about the mean, of the ellipse that holds 90 % under the density.
        mean: ``(N, K, 2)`` mean of the density in pixels, the centre of that ellipse.
        error_draws: ``(M,)`` draws of the predicted law's error along one axis, in its own standard deviations.
        errors: ``(M',)`` the same of the labels' actual errors under the predicted law.
        label_draws: ``(M'',)`` the same of the true label law, where the data set knows it.
    """

    name: str
    skeleton: Skeleton
    image_id: tuple[int | str, ...]
    annotation_id: tuple[int, ...]
    keypoints: Float[Tensor, "N K 2"]
    confidence: Float[Tensor, "N K"]
    score: Float[Tensor, "N"]
    target: Float[Tensor, "N K 2"]
    target_visibility: Int[Tensor, "N K"]
    area: Float[Tensor, "N"]
    box_xyxy: Float[Tensor, "N 4"]
    covariance: Float[Tensor, "N K 2 2"] | None = None
    visibility: Float[Tensor, "N K"] | None = None
    log_prob: Float[Tensor, "N K"] | None = None
    credible_level: Float[Tensor, "N K"] | None = None
    ellipse_radius: Float[Tensor, "N K"] | None = None
    mean: Float[Tensor, "N K 2"] | None = None
    error_draws: Float[Tensor, "M"] | None = None
    errors: Float[Tensor, "E"] | None = None
    label_draws: Float[Tensor, "L"] | None = None
