import numpy as np
import pytest
import torch

from poserior.metrics import aurc, ause, risk_coverage


def test_by_hand():
    wrong, confidence = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]), torch.tensor([0.9, 0.8, 0.7, 0.2, 0.1])
    share, risk, best = risk_coverage(wrong, confidence)
    assert share.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert risk.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2, 2 / 5])
    assert best.tolist() == pytest.approx([0, 0, 0, 1 / 4, 2 / 5])
    assert aurc(wrong, confidence).item() == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 2 / 5) / 5)
    assert aurc(wrong, confidence, excess=True).item() == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 5)


def test_the_definition_in_numpy_and_the_excess_is_ause():
    rng = np.random.default_rng(3)
    errors, confidence = rng.random(41), rng.random(41)
    order = np.argsort(-confidence)
    expected = np.mean(np.cumsum(errors[order]) / np.arange(1, 42))
    best = np.mean(np.cumsum(np.sort(errors)) / np.arange(1, 42))
    ours = torch.from_numpy(errors), torch.from_numpy(confidence)
    assert aurc(*ours).item() == pytest.approx(expected, abs=1e-14)
    assert aurc(*ours, excess=True).item() == pytest.approx(expected - best, abs=1e-14)
    assert aurc(*ours, excess=True).item() == ause(*ours).item()


def test_a_constant_confidence_has_the_mean_error_at_every_share():
    _, risk, _ = risk_coverage(torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.full((4,), 0.7))
    assert risk.tolist() == pytest.approx([0.5] * 4)


def test_unlabelled_answers_do_not_count():
    errors, confidence = torch.tensor([[1.0, torch.nan], [0.0, 1.0]]), torch.tensor([[0.9, 0.99], [0.8, 0.1]])
    visibility = torch.tensor([[2, 0], [1, 1]])
    assert aurc(errors, confidence, visibility).item() == pytest.approx((1 + 1 / 2 + 2 / 3) / 3)
    assert aurc(errors, confidence, torch.zeros(2, 2, dtype=torch.int64)).isnan()
