import math
from inspect import unwrap

import pytest
import torch

from poserior.metrics.base import expect_shape, keypoint_distance, labelled_values, masked_mean


def test_distance_of_three_four_five_and_not_a_number_where_not_labelled():
    preds = torch.tensor([[[3.0, 4.0], [1.0, 1.0], [torch.nan, 0.0]]])
    distance = keypoint_distance(preds, torch.zeros(1, 3, 2), torch.tensor([[2, 1, 0]]))
    assert distance[0, :2].tolist() == pytest.approx([5, math.sqrt(2)])
    assert distance[0, 2].isnan()


def test_no_gradient_meets_what_is_not_labelled():
    preds = torch.tensor([[[3.0, 4.0], [0.0, 0.0], [1.0, 1.0]]], requires_grad=True)
    target = torch.tensor([[[0.0, 0.0], [torch.nan, torch.inf], [1.0, 1.0]]])
    visibility = torch.tensor([[2, 0, 2]])
    masked_mean(keypoint_distance(preds, target, visibility), visibility).backward()
    assert preds.grad[0, 0].tolist() == pytest.approx([0.3, 0.4])
    assert preds.grad[0, 1:].tolist() == [[0, 0], [0, 0]]  # also where the distance is 0


def test_mean_of_nothing_is_not_a_number():
    assert masked_mean(torch.tensor([1.0]), torch.tensor([0])).isnan()


def test_mask_may_be_bool():
    assert masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([False, True])).item() == 5


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"expected area of shape \(4,\) \(people\), found \(3, 1\)"):
        expect_shape("area", torch.zeros(3, 1), (4,), "people")
    distance = unwrap(keypoint_distance)
    with pytest.raises(ValueError, match=r"expected preds of shape \(people, keypoints, dim\), found \(3, 2\)"):
        distance(torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(3))
    with pytest.raises(ValueError, match=r"expected target of shape \(4, 3, 2\)"):
        distance(torch.zeros(4, 3, 2), torch.zeros(4, 5, 2), torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"expected visibility of shape \(4, 3\)"):
        distance(torch.zeros(4, 3, 2), torch.zeros(4, 3, 2), torch.ones(4, 3, 1))


def test_labelled_values_are_flat_and_double():
    values, others = labelled_values(
        torch.tensor([[0, 1], [2, 0]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), -torch.eye(2)
    )
    assert values.tolist() == [2, 3]
    assert others.tolist() == [0, 0]
    assert values.dtype == torch.float64
    assert labelled_values(None, torch.eye(2))[0].tolist() == [1, 0, 0, 1]
