import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import batched_nms, box_iou

from poserior.dense.soft_nms import pairwise_iou, soft_nms


def reference(boxes, scores, categories, method, sigma=0.5, threshold=0.5):
    """One box after the other, as in the paper's listing."""
    scores, left, done = list(scores), list(range(len(boxes))), {}
    while left:
        best = max(left, key=lambda n: (scores[n], -n))
        left.remove(best)
        done[best] = scores[best]
        for n in left:
            if categories[n] == categories[best]:
                (ax, ay, bx, by), (cx, cy, dx, dy) = boxes[best], boxes[n]
                wide, high = min(bx, dx) - max(ax, cx), min(by, dy) - max(ay, cy)
                shared = max(wide, 0) * max(high, 0)
                iou = shared / ((bx - ax) * (by - ay) + (dx - cx) * (dy - cy) - shared)
                if method == "gaussian":
                    scores[n] *= math.exp(-(iou**2) / sigma)
                elif iou > threshold:
                    scores[n] *= 1 - iou
    return [done[n] for n in range(len(boxes))]


def some(count, seed):
    draw = torch.Generator().manual_seed(seed)
    corner, size = torch.rand(count, 2, generator=draw) * 20, torch.rand(count, 2, generator=draw) * 20 + 3
    score = torch.rand(count, generator=draw, dtype=torch.float64)
    return torch.cat([corner, corner + size], 1).double(), score, torch.randint(0, 3, (count,), generator=draw)


@settings(max_examples=30)
@given(st.integers(0, 14), st.integers(0, 10**6), st.sampled_from(["gaussian", "linear"]))
def test_scores_are_those_of_the_listing(count, seed, method):
    boxes, score, category = some(count, seed)
    expected = reference(boxes.tolist(), score.tolist(), category.tolist(), method)
    assert soft_nms(boxes, score, category, method).tolist() == pytest.approx(expected, abs=1e-12)


def test_pictures_of_a_batch_leave_each_other_alone():
    each = [some(9, seed) for seed in (4, 5, 6)]
    together = soft_nms(*(torch.stack(parts) for parts in zip(*each, strict=True)), "gaussian")
    assert together.shape == (3, 9)
    for row, one in zip(together, each, strict=True):
        assert torch.equal(row, soft_nms(*one, "gaussian"))


def test_by_hand_two_boxes_that_share_half():
    boxes = torch.tensor([[0.0, 0.0, 3.0, 1.0], [1.0, 0.0, 4.0, 1.0]])
    score, category = torch.tensor([0.6, 0.8]), torch.zeros(2, dtype=torch.int64)
    assert soft_nms(boxes, score, category).tolist() == pytest.approx([0.6 * math.exp(-0.5), 0.8])
    assert soft_nms(boxes, score, category, sigma=0.1).tolist() == pytest.approx([0.6 * math.exp(-2.5), 0.8])
    assert soft_nms(boxes, score, category, "linear", threshold=0.49).tolist() == pytest.approx([0.3, 0.8])
    assert soft_nms(boxes, score, category, "linear").tolist() == pytest.approx([0.6, 0.8])
    assert soft_nms(boxes, score, torch.tensor([0, 1])).tolist() == pytest.approx([0.6, 0.8])


def test_a_narrow_gaussian_is_hard_suppression():
    """With sigma to 0 only boxes that touch nothing better keep a score: torchvision's NMS at IoU 0."""
    boxes, score, category = some(40, 1)
    kept = soft_nms(boxes, score, category, sigma=1e-9) > 0
    assert set(kept.nonzero().flatten().tolist()) == set(batched_nms(boxes, score, category, 1e-6).tolist())


def test_overlaps_are_torchvisions_and_empty_boxes_have_none():
    boxes = some(7, 2)[0]
    assert torch.allclose(pairwise_iou(boxes), box_iou(boxes, boxes))
    assert pairwise_iou(torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, 2.0]])).tolist() == [[0, 0], [0, 1]]
