import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from poserior.metrics import CalibrationError, ece, reliability


def test_equals_sklearn():
    confidence = torch.rand(400, dtype=torch.float64)
    right = (torch.rand(400, dtype=torch.float64) < confidence**2).double()
    share, mean = calibration_curve(right.numpy(), confidence.numpy(), n_bins=7)
    diagram = reliability(confidence, right, bins=7)
    assert diagram.confidence.tolist() == pytest.approx(mean, abs=1e-12)
    assert diagram.accuracy.tolist() == pytest.approx(share, abs=1e-12)
    assert diagram.count.sum() == 400


def test_by_hand_with_borders_and_an_empty_bin():
    diagram = reliability(torch.tensor([0.0, 0.25, 0.3, 1.0]), torch.tensor([0.2, 0.4, 0.6, 0.8]), bins=4)
    assert diagram.count.tolist() == [2, 1, 0, 1]
    assert diagram.confidence[[0, 1, 3]].tolist() == pytest.approx([0.125, 0.3, 1.0])
    assert diagram.accuracy[[0, 1, 3]].tolist() == pytest.approx([0.3, 0.6, 0.8])
    assert diagram.accuracy[2].isnan()
    assert ece(torch.tensor([0.0, 0.25, 0.3, 1.0]), torch.tensor([0.2, 0.4, 0.6, 0.8]), bins=4).item() == pytest.approx(
        (2 * 0.175 + 0.3 + 0.2) / 4
    )


def test_rounding_above_one_is_forgiven():
    assert reliability(torch.tensor([1 + 1e-6]), torch.tensor([1.0])).count.tolist() == [0] * 9 + [1]


def test_right_confidence_has_no_error():
    values = torch.tensor(np.linspace(0, 1, 23))
    assert ece(values, values).item() == pytest.approx(0, abs=1e-15)


def test_unlabelled_answers_do_not_count():
    confidence, accuracy = torch.tensor([0.9, torch.nan, 0.1]), torch.tensor([0.5, 0.5, torch.nan])
    assert ece(confidence, accuracy, torch.tensor([2, 0, 0])).item() == pytest.approx(0.4)
    assert ece(confidence, accuracy, torch.tensor([0, 0, 0])).isnan()


@pytest.mark.parametrize("wrong", [1.5, -0.1, torch.nan])
def test_what_is_no_confidence_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected confidences in \[0, 1\], found"):
        reliability(torch.tensor([0.5, wrong]), torch.tensor([0.5, 0.5]))


def test_class_gives_the_function_over_batches():
    confidence, accuracy = torch.rand(12, dtype=torch.float64), torch.rand(12, dtype=torch.float64)
    metric = CalibrationError(bins=5)
    metric.update(confidence[:5], accuracy[:5])
    metric.update(confidence[5:], accuracy[5:])
    assert metric.compute().item() == pytest.approx(ece(confidence, accuracy, bins=5).item(), abs=1e-15)
