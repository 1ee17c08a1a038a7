"""What can be known of a keypoint's accuracy without a picture: scores, size, place and the pose around it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

SCORE, LOG_AREA, GROUP = 0, 1, 2
"""The columns of every table of features that have a meaning of their own: score, log area, keypoint's number."""

MANY = 40
"""A skeleton of more keypoints or limbs does not give every single one as a feature of every keypoint."""


def pose_features(
    keypoints: Float[Tensor, "N K 2"],
    scores: Float[Tensor, "N K"],
    box_xyxy: Float[Tensor, "N 4"],
    edges: Sequence[tuple[int, int]],
    person: Float[Tensor, "N P"] | None = None,
) -> Float[Tensor, "N K F"]:
    """One row of features per keypoint; all of them come from the predictions, none from a label.

    The first columns are `SCORE`, `LOG_AREA` (of the box) and `GROUP` (the keypoint's number). Then the place in the
    box, the box's aspect, the lengths of the keypoint's own limbs relative to the box (mean and longest), the mean
    score of its neighbours and of the person; of all limbs their length and of all keypoints their score, up to 40.

    Args:
        keypoints: predicted, in pixels.
        scores: in [0, 1]; a constant where there are none.
        box_xyxy: the people's boxes in the same pixels; sides below one pixel count as one.
        edges: the skeleton's limbs.
        person: more numbers of each person, for every keypoint of it.

    >>> pose_features(torch.zeros(5, 3, 2), torch.ones(5, 3), torch.ones(5, 4), [(0, 1), (1, 2)]).shape
    torch.Size([5, 3, 16])
    """
    count, num_keypoints = scores.shape
    points, score = keypoints.double(), scores.double()
    corner, sides = box_xyxy[:, :2].double(), (box_xyxy[:, 2:] - box_xyxy[:, :2]).double().clamp_min(1)
    side = sides.prod(1).sqrt()
    pairs = torch.tensor(list(edges), dtype=torch.int64).view(-1, 2)
    limbs = (points[:, pairs[:, 0]] - points[:, pairs[:, 1]]).norm(dim=-1) / side[:, None]
    touches = torch.zeros(num_keypoints, len(pairs), dtype=torch.float64)
    beside = torch.zeros(num_keypoints, num_keypoints, dtype=torch.float64)
    for e, (a, b) in enumerate(pairs.tolist()):
        touches[a, e] = touches[b, e] = beside[a, b] = beside[b, a] = 1
    longest = torch.zeros_like(score)
    if len(pairs):
        longest = (limbs[:, None] * touches).amax(-1)
    every: list[Tensor] = [sides.log().sum(1)[:, None]]
    every += [(sides[:, 0] / sides[:, 1]).log()[:, None], score.mean(1, keepdim=True), score.amin(1, keepdim=True)]
    every += [limbs] if len(pairs) <= MANY else [limbs.mean(1, keepdim=True), limbs.amax(1, keepdim=True)]
    every += [score] if num_keypoints <= MANY else []
    every += [] if person is None else [person.double()]
    own = [
        ((points - corner[:, None]) / sides[:, None]).clamp(-10, 10),
        (limbs @ touches.T / touches.sum(1).clamp_min(1))[..., None],
        longest[..., None],
        (score @ beside / beside.sum(0).clamp_min(1))[..., None],
    ]
    shared = torch.cat(every, 1)[:, None].expand(-1, num_keypoints, -1)
    number = torch.arange(num_keypoints, dtype=torch.float64).expand(count, -1)
    return torch.cat([score[..., None], shared[..., :1], number[..., None], *own, shared[..., 1:]], -1)


def person_features(
    score: Float[Tensor, "N"],
    confidence: Float[Tensor, "N K"],
    visibility: Float[Tensor, "N K"],
    log_area: Float[Tensor, "N"],
    person: Float[Tensor, "N P"],
) -> Float[Tensor, "N F"]:
    """One row of features per person, of the same first columns.

    `SCORE` is the person's score times ``sum_k v_k c_k / sum_k v_k``, the mean confidence as in CCNet's eq. 7;
    `GROUP` is 0. Then the two factors, the mean confidence without weights, the number of keypoints with a confidence
    above a half, the number of keypoints one expects to be visible.

    Args:
        score: of the people, in [0, 1].
        confidence: calibrated, of the keypoints.
        visibility: probability that a keypoint is labelled.
        log_area: of the box.
        person: more numbers of each person.
    """
    mean = (visibility * confidence).sum(1) / visibility.sum(1).clamp_min(1e-9)
    numbers = [score * mean, log_area, torch.zeros_like(score), score, mean, confidence.mean(1)]
    numbers += [(confidence > 0.5).double().sum(1), visibility.sum(1)]
    return torch.cat([torch.stack(numbers, 1), person.double()], 1)
