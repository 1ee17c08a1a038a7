"""One record per person or box that was found: the end of prediction, after every tensor is on the CPU."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poserior.areas import BOX_TO_AREA
from poserior.dense.found import Found
from poserior.dense.multi_scale import Merged
from poserior.geometry import box_area
from poserior.scenes import Detection
from poserior.skeletons import Skeleton
from poserior.structures import Modes, Prediction

LEAST_WEIGHT = 0.05  # of a mode worth telling, as of `distributions.separate_modes`


def people(
    passes: Sequence[tuple[Found, int]], merged: Merged, skeleton: Skeleton, image_id: int | str
) -> list[Prediction]:
    """One picture's people, best first.

    Args:
        passes: what each pass found, and the picture's place in its batch.
        merged: which of that stays.
        skeleton: what the keypoints are.
        image_id: what to call the picture.
    """
    area = [BOX_TO_AREA * box_area(found.box_xyxy[row]) for found, row in passes]
    everybody = []
    for source, n, score in zip(*(part.tolist() for part in merged), strict=True):
        found, row = passes[source]
        everybody.append(
            Prediction(
                keypoints=found.points[row, n],
                covariance=found.covariance[row, n],
                visibility=found.visibility[row, n],
                confidence=found.confidence[row, n],
                score=score,
                box_xyxy=found.box_xyxy[row, n],
                skeleton=skeleton,
                image_id=image_id,
                area=float(area[source][n]),
                distribution=found.law[row, n],
                modes=whole_poses(found.modes[row, n], found.weights[row, n]),
                component=int(found.component[row, n]),
            )
        )
    return everybody


def whole_poses(points: Float[Tensor, "M K 2"], weights: Float[Tensor, "M"]) -> Modes | None:
    """A mixture's components as modes: the same number means the same whole pose at all keypoints.

    >>> whole_poses(torch.zeros(3, 4, 2), torch.tensor([0.25, 0.01, 0.74])).weights[0].tolist()
    [0.7400000095367432, 0.25]
    """
    weights, order = weights.sort(descending=True, stable=True)
    heavy = order[weights >= LEAST_WEIGHT]
    if len(heavy) < 2:
        return None
    shares = weights[: len(heavy)].expand(points.shape[1], -1)
    return Modes(points[heavy].transpose(0, 1).contiguous(), shares.contiguous())


def boxes(
    passes: Sequence[tuple[Found, int]], merged: Merged, categories: tuple[str, ...], image_id: int | str
) -> list[Detection]:
    """One picture's boxes, best first.

    Args:
        passes: what each pass found, and the picture's place in its batch.
        merged: which of that stays.
        categories: their names.
        image_id: what to call the picture.
    """
    objects = []
    for source, n, score in zip(*(part.tolist() for part in merged), strict=True):
        found, row = passes[source]
        box_xyxy = found.box_xyxy[row, n]
        middle, half = (box_xyxy[:2] + box_xyxy[2:]) / 2, found.modes[row, n, :, 0].clamp(min=0) / 2
        objects.append(
            Detection(
                box_xyxy=box_xyxy,
                score=score,
                centre_score=float(found.centre_score[row, n]),
                category=int(found.category[row, n]),
                categories=categories,
                component=int(found.component[row, n]),
                weights=found.weights[row, n],
                boxes_xyxy=torch.cat([middle - half, middle + half], -1),
                size_covariance=found.covariance[row, n, 0],
                expected_iou=float(found.confidence[row, n, 0]),
                image_id=image_id,
            )
        )
    return objects
