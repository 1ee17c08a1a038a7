"""What flows through one-stage detection: whole pictures with all their objects, in batches, as targets, as answers.

Frozen records of tensors, no logic. N is objects per picture, K keypoints (0 where only boxes are wanted), C
categories. A network answers on a grid of h x w *cells*, each `stride` picture pixels wide. Cell ``(x, y)`` has the
flat number ``y w + x`` and its centre lies at ``((x + 0.5) stride, (y + 0.5) stride)`` pixels; everything regressed in
a cell is relative to that centre and in units of cells, so that mirroring the picture only changes signs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.distributions import Distribution

from poserior.skeletons import Skeleton


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture with its objects, as a data set gives it and as a transform gives it on.

    Attributes:
        image: RGB, ``(H, W, 3)``, 0..255.
        box_xyxy: ``(N, 4)`` float32 pixels of `image`; N may be 0.
        category: ``(N,)`` int64 index into `categories`.
        keypoints: ``(N, K, 2)`` float32 pixels of `image`; zeros where not labelled.
        visibility: ``(N, K)`` int64, COCO's 0/1/2.
        area: ``(N,)`` float32 square pixels of the original picture (COCO: the masks').
        annotation_id: ``(N,)`` int64.
        crowd_xyxy: ``(R, 4)`` float32: where objects are not told apart, so that nothing is to be learnt there.
        categories: their names.
        skeleton: what the keypoints are; None for pictures of mere boxes (then K is 0).
        image_id: the picture's id, as its file has it.
        source: where the picture lies, for messages.
        affine: original picture's pixels to `image`'s pixels, ``(2, 3)`` float64; None before any transform.
        original_size: ``(H, W)`` of the original picture.
        facts: what else is known of the objects, ``(N,)`` each, e.g. ``facing``: 1 towards the camera, -1 away from it.
    """

    image: UInt8[Tensor, "H W 3"]
    box_xyxy: Float[Tensor, "N 4"]
    category: Int[Tensor, "N"]
    keypoints: Float[Tensor, "N K 2"]
    visibility: Int[Tensor, "N K"]
    area: Float[Tensor, "N"]
    annotation_id: Int[Tensor, "N"]
    crowd_xyxy: Float[Tensor, "R 4"]
    categories: tuple[str, ...]
    skeleton: Skeleton | None
    image_id: int | str
    original_size: tuple[int, int]
    source: str = ""
    affine: Float[Tensor, "2 3"] | None = None
    facts: Mapping[str, Float[Tensor, "N"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """B pictures of one size; objects filled up with zeros to the greatest N (at least 1), `present` tells which count.

    Attributes:
        images: ``(B, 3, H, W)``.
        box_xyxy: ``(B, N, 4)`` pixels of the images.
        category: ``(B, N)``.
        keypoints: ``(B, N, K, 2)`` pixels of the images.
        visibility: ``(B, N, K)``.
        area: ``(B, N)`` square pixels of the original pictures.
        annotation_id: ``(B, N)``.
        present: ``(B, N)``.
        crowd_xyxy: ``(B, R, 4)``, filled up with empty boxes (zeros).
        affine: ``(B, 2, 3)`` float64, original picture's pixels to the images'.
        image_id: B picture ids.
        original_size: B sizes (H, W).
        facts: ``(B, N)`` each.
    """

    images: UInt8[Tensor, "B 3 H W"]
    box_xyxy: Float[Tensor, "B N 4"]
    category: Int[Tensor, "B N"]
    keypoints: Float[Tensor, "B N K 2"]
    visibility: Int[Tensor, "B N K"]
    area: Float[Tensor, "B N"]
    annotation_id: Int[Tensor, "B N"]
    present: Bool[Tensor, "B N"]
    crowd_xyxy: Float[Tensor, "B R 4"]
    affine: Float[Tensor, "B 2 3"]
    image_id: tuple[int | str, ...]
    original_size: tuple[tuple[int, int], ...]
    facts: Mapping[str, Float[Tensor, "B N"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class DenseTarget:
    """What the network's grid should say about a `SceneBatch`. Distances are in cells.

    Attributes:
        heat: ``(B, C, h, w)``: 1 at the cells of the objects' centres, a Gaussian bump about each.
        counts: ``(B, C, h, w)`` 1, or 0 where a crowd is: no penalty for finding an object there.
        cell: ``(B, N)`` flat number of the centre's cell.
        category: ``(B, N)``.
        present: ``(B, N)``: False for fillings, and for objects that cannot be learnt from (no extent, outside).
        offset: ``(B, N, 2)`` from the cell's centre to the box's.
        size: ``(B, N, 2)`` the box's width and height.
        points: ``(B, N, K, 2)`` from the cell's centre to the keypoints.
        labelled: ``(B, N, K)``.
        keypoint_heat: ``(B, K, h, w)`` bumps about the keypoints that lie in the picture; None if nobody learns it.
        keypoint_cell: ``(B, N, K)`` flat numbers of their cells.
        keypoint_offset: ``(B, N, K, 2)`` from that cell's centre to the keypoint.
        keypoint_inside: ``(B, N, K)``: labelled and in the picture.
    """

    heat: Float[Tensor, "B C h w"]
    counts: Float[Tensor, "B C h w"]
    cell: Int[Tensor, "B N"]
    category: Int[Tensor, "B N"]
    present: Bool[Tensor, "B N"]
    offset: Float[Tensor, "B N 2"]
    size: Float[Tensor, "B N 2"]
    points: Float[Tensor, "B N K 2"]
    labelled: Bool[Tensor, "B N K"]
    keypoint_heat: Float[Tensor, "B K h w"] | None
    keypoint_cell: Int[Tensor, "B N K"]
    keypoint_offset: Float[Tensor, "B N K 2"]
    keypoint_inside: Bool[Tensor, "B N K"]


@dataclass(frozen=True, eq=False)
class Maps:
    """What the network says in every cell, raw.

    Attributes:
        centre: ``(B, C, h, w)`` logits: is this an object's centre?
        offset: ``(B, 2, h, w)`` from the cell's centre to the box's.
        density: ``(B, P, h, w)`` the density head's raw values: of a box's size, or of a pose.
        size: ``(B, 2, h, w)`` the box's width and height, where the density is a pose's; else None.
        keypoint_heat: ``(B, K, h, w)`` logits, where keypoints are refined; else None.
        keypoint_offset: ``(B, 2, h, w)``, see `DenseTarget.keypoint_offset`; or None.
    """

    centre: Float[Tensor, "B C h w"]
    offset: Float[Tensor, "B 2 h w"]
    density: Float[Tensor, "B P h w"]
    size: Float[Tensor, "B 2 h w"] | None = None
    keypoint_heat: Float[Tensor, "B K h w"] | None = None
    keypoint_offset: Float[Tensor, "B 2 h w"] | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """The N best-scored centres of each of B pictures, best first; distances in cells, places from the grid's corner.

    Attributes:
        score: ``(B, N)`` probability of a centre.
        category: ``(B, N)``.
        cell: ``(B, N)`` flat number.
        anchor: ``(B, N, 2)`` the cell's centre, ``(x + 0.5, y + 0.5)``.
        centre: ``(B, N, 2)`` the box's centre: anchor plus offset.
        size: ``(B, N, 2)`` the box's width and height.
        density: what the density head says there, relative to `anchor`: ``batch_shape (B, N, K)`` of keypoints, or
            ``(B, N, 1)`` of ``(width, height)`` where only boxes are predicted.
        component: ``(B, N)`` which mode of the density was taken; 0 where it has one.
        points: ``(B, N, K, 2)`` the keypoints; K is 0 for mere boxes.
    """

    score: Float[Tensor, "B N"]
    category: Int[Tensor, "B N"]
    cell: Int[Tensor, "B N"]
    anchor: Float[Tensor, "B N 2"]
    centre: Float[Tensor, "B N 2"]
    size: Float[Tensor, "B N 2"]
    density: Distribution
    component: Int[Tensor, "B N"]
    points: Float[Tensor, "B N K 2"]


@dataclass(frozen=True, eq=False)
class Detection:
    """One object found in a picture, on the CPU, in pixels of the original picture.

    Attributes:
        box_xyxy: ``(4,)``.
        score: what results are ranked by.
        centre_score: the probability of the centre alone.
        category: index into `categories`.
        categories: their names.
        component: which of the density's modes was taken.
        weights: ``(M,)`` of all modes.
        boxes_xyxy: ``(M, 4)`` the box by each mode, where the density is of boxes; else empty.
        size_covariance: ``(2, 2)`` of the box's width and height, square pixels; not a number where the size is a
            plain regression.
        expected_iou: the IoU that can be expected of the box with the truth; None where the size has no density.
        image_id: the picture's id or name.
    """

    box_xyxy: Float[Tensor, "4"]
    score: float
    centre_score: float
    category: int
    categories: tuple[str, ...]
    component: int
    weights: Float[Tensor, "M"]
    boxes_xyxy: Float[Tensor, "_ 4"]
    size_covariance: Float[Tensor, "2 2"]
    expected_iou: float | None
    image_id: int | str = 0
