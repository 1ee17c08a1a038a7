import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior.metrics import oks, oks_nms, pairwise_oks


def test_similarity_by_hand():
    # distances 0 and 5 pixels; areas 30 and 70, so a = 50; the second keypoint's exponent is 25 / (2 50 (2 0.25)^2) = 1
    points = torch.tensor([[[1.0, 1.0], [2.0, 3.0]], [[1.0, 1.0], [5.0, 7.0]]])
    similarity = pairwise_oks(points, torch.tensor([30.0, 70.0]), [0.1, 0.25])
    half = (1 + math.exp(-1)) / 2
    torch.testing.assert_close(similarity, torch.tensor([[1.0, half], [half, 1.0]]))


def test_similarity_is_oks_where_areas_agree():
    points = torch.randn(4, 3, 2) * 5
    area = torch.full((4,), 80.0)
    expected = oks(points, points[[2]].expand(4, -1, -1), area, [0.05, 0.1, 0.2], torch.ones(4, 3).long())
    torch.testing.assert_close(pairwise_oks(points, area, [0.05, 0.1, 0.2])[2], expected)


def test_a_suppressed_person_suppresses_nobody():
    """0 - 1 and 1 - 2 are alike, 0 - 2 are not: with 0 the best, 1 goes and 2 stays."""
    points = torch.tensor([0.0, 4.0, 8.0])[:, None, None].expand(3, 1, 2) * torch.tensor([1.0, 0.0])
    similarity = pairwise_oks(points, torch.full((3,), 100.0), [0.5])
    assert similarity[0, 1] > 0.9 > similarity[0, 2]
    score = torch.tensor([0.9, 0.8, 0.7])
    assert oks_nms(points, score, torch.full((3,), 100.0), [0.5]) == [0, 2]
    assert oks_nms(points, score.flip(0), torch.full((3,), 100.0), [0.5]) == [2, 0]
    assert oks_nms(points, torch.ones(3), torch.full((3,), 100.0), [0.5], threshold=1.0) == [0, 1, 2]
    assert oks_nms(points[:0], score[:0], score[:0], [0.5]) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0.05, 0.95))
def test_against_the_definition(seed, count, threshold):
    """Walk down the scores; compare each person with those kept, number by number."""
    rng = np.random.default_rng(seed)
    points, area = rng.uniform(0, 30, (count, 3, 2)), rng.uniform(100, 900, count)
    score, sigmas = rng.integers(0, 4, count) / 4, [0.3, 0.5, 0.4]
    kept: list[int] = []
    for i in sorted(range(count), key=lambda i: (-score[i], i)):
        alike = []
        for j in kept:
            shared = (area[i] + area[j]) / 2
            terms = [
                math.exp(-(math.dist(points[i, k], points[j, k]) ** 2) / (2 * shared * (2 * sigmas[k]) ** 2))
                for k in range(3)
            ]
            alike.append(sum(terms) / 3 > threshold)
        if not any(alike):
            kept.append(i)
    found = oks_nms(torch.tensor(points), torch.tensor(score), torch.tensor(area), sigmas, threshold)
    assert found == kept


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"expected oks_sigmas of shape \(3,\) \(keypoints\), found \(4,\)"):
        oks_nms(torch.zeros(2, 3, 2), torch.ones(2), torch.ones(2), [0.1] * 4)
    with pytest.raises(ValueError, match="oks_sigmas"):
        pairwise_oks(torch.zeros(2, 3, 2), torch.ones(2), [0.1])
