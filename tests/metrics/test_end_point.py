from inspect import unwrap

import pytest
import torch

from poserior.metrics import EndPointError, end_point_error, end_point_error_per_keypoint, normalised_error

PREDS = torch.tensor([[[3.0, 4.0], [0.0, 1.0], [7.0, 7.0]], [[0.0, 2.0], [6.0, 8.0], [0.0, 0.0]]])
TARGET = torch.zeros(2, 3, 2)
VISIBILITY = torch.tensor([[1, 2, 0], [2, 1, 0]])


def test_by_hand():
    assert end_point_error(PREDS, TARGET, VISIBILITY).item() == pytest.approx((5 + 1 + 2 + 10) / 4)
    each = end_point_error_per_keypoint(PREDS, TARGET, VISIBILITY)
    assert each[:2].tolist() == pytest.approx([3.5, 5.5])
    assert each[2].isnan()


def test_depth_counts():
    assert end_point_error(torch.tensor([[[2.0, 3.0, 6.0]]]), torch.zeros(1, 1, 3), torch.tensor([[1]])).item() == 7


def test_normalised_by_hand():
    reference = torch.tensor([10.0, 4.0])
    assert normalised_error(PREDS, TARGET, reference, VISIBILITY).item() == pytest.approx((0.5 + 0.1 + 0.5 + 2.5) / 4)


def test_normalised_errors_teach():
    with pytest.raises(ValueError, match=r"expected a positive reference length per labelled person, found 0\.0"):
        normalised_error(PREDS, TARGET, torch.zeros(2), VISIBILITY)
    with pytest.raises(ValueError, match=r"expected reference of shape \(2,\) \(people\), found \(3,\)"):
        unwrap(normalised_error)(PREDS, TARGET, torch.ones(3), VISIBILITY)


def test_class_gives_the_function_over_batches():
    metric = EndPointError()
    for n in range(2):
        metric.update(PREDS[n : n + 1], TARGET[n : n + 1], VISIBILITY[n : n + 1])
    assert metric.compute().item() == pytest.approx(4.5)
