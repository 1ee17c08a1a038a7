"""What several passes over one picture have found, at several scales, as one list."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poserior.dense.found import Found
from poserior.dense.soft_nms import SoftNms, soft_nms


class Merged(NamedTuple):
    """The best objects of one picture over all passes, best first.

    Attributes:
        source: ``(N,)`` which pass found it.
        place: ``(N,)`` its number there.
        score: ``(N,)``.
    """

    source: Int[Tensor, "N"]
    place: Int[Tensor, "N"]
    score: Float[Tensor, "N"]


def merge(passes: Sequence[tuple[Found, int]], nms: SoftNms | None, count: int, threshold: float | int) -> Merged:
    """One picture's candidates of all passes in one ranking.

    All are in pixels of the original picture already, so nothing is to be brought together but the lists. With `nms`
    an object that several scales have found keeps the score of its best-scored answer; the others lose theirs. Answers
    are not averaged: each comes with its own density, from the scale that was surest of it.

    Args:
        passes: what each pass found, and the picture's place in its batch.
        nms: the way scores of overlapping boxes of one category fall; None leaves them.
        count: how many at most.
        threshold: the least score.
    """
    score = torch.cat([found.score[row] for found, row in passes])
    if nms is not None:
        boxes = torch.cat([found.box_xyxy[row] for found, row in passes])
        score = soft_nms(boxes, score, torch.cat([found.category[row] for found, row in passes]), nms)
    sizes = [found.score.shape[1] for found, _ in passes]
    source = torch.repeat_interleave(torch.arange(len(passes)), torch.tensor(sizes))
    place = torch.cat([torch.arange(size) for size in sizes])
    best, order = score.sort(descending=True, stable=True)
    order = order[(best >= threshold) & (best > 0)][:count]  # 0 fills up where a picture has fewer peaks
    return Merged(source[order], place[order], score[order])
