import pytest
import torch
from sklearn.metrics import brier_score_loss

from poserior.metrics import brier_score


def test_sklearns_number():
    generator = torch.Generator().manual_seed(1)
    preds = torch.rand(7, 5, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (7, 5), generator=generator)
    expected = brier_score_loss((target > 0).flatten().numpy(), preds.flatten().numpy())
    assert brier_score(preds, target).item() == pytest.approx(expected, abs=1e-15)


def test_by_hand_with_places_that_do_not_count():
    preds = torch.tensor([[0.8, 0.1], [0.5, torch.nan]])
    target = torch.tensor([[2, 1], [0, 1]])
    counts = torch.tensor([[True, True], [True, False]])
    assert brier_score(preds, target, counts).item() == pytest.approx((0.04 + 0.81 + 0.25) / 3)


def test_the_true_probability_scores_best():
    happened = torch.rand(4000, generator=torch.Generator().manual_seed(2)) < 0.3
    scores = [brier_score(torch.full((4000,), p), happened).item() for p in (0.1, 0.3, 0.5)]
    assert scores[1] == min(scores)
    assert scores[2] == pytest.approx(0.25)


def test_nothing_is_no_number_and_scores_are_refused():
    assert brier_score(torch.zeros(0), torch.zeros(0, dtype=torch.int64)).isnan()
    with pytest.raises(ValueError, match=r"expected probabilities in \[0, 1\], found 0.5 to 2.0"):
        brier_score(torch.tensor([0.5, 2.0]), torch.tensor([1, 0]))
    with pytest.raises(ValueError, match="expected target of shape"):
        brier_score(torch.rand(2, 3), torch.zeros(3, 2, dtype=torch.int64))
