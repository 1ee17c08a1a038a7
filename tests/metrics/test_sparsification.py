import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from poserior.metrics import SparsificationError, ause, sparsification

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6)), min_size=1, max_size=25)


def test_by_hand():
    errors, confidence = torch.tensor([0.2, 0.6, 0.1, 0.5]), torch.tensor([0.9, 0.8, 0.3, 0.1])
    fractions, by_confidence, by_oracle = sparsification(errors, confidence)
    assert fractions.tolist() == [0, 0.25, 0.5, 0.75]
    assert by_confidence.tolist() == pytest.approx([0.35, 0.3, 0.4, 0.2])
    assert by_oracle.tolist() == pytest.approx([0.35, 0.8 / 3, 0.15, 0.1])
    area = (0.3 - 0.8 / 3 + 0.25 + 0.1) / 4
    assert ause(errors, confidence).item() == pytest.approx(area)
    assert ause(errors, confidence, normalise=True).item() == pytest.approx(area / 0.35)


def test_perfect_order_is_zero_and_the_reverse_is_worst():
    errors = torch.rand(50, dtype=torch.float64)
    assert ause(errors, 1 - errors).item() == pytest.approx(0, abs=1e-15)
    worst = ause(errors, errors)
    assert all(ause(errors, torch.rand(50, dtype=torch.float64)) < worst for _ in range(20))


def test_constant_confidence_gives_a_flat_curve():
    _, by_confidence, _ = sparsification(torch.tensor([1.0, 5.0, 0.0]), torch.full((3,), 0.7))
    assert by_confidence.tolist() == pytest.approx([2, 2, 2])


@settings(max_examples=50, deadline=None)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_order_of_the_data_is_nothing_and_the_oracle_is_below(answers, random):
    errors, confidence = torch.tensor(answers, dtype=torch.float64).T
    shuffled = list(answers)
    random.shuffle(shuffled)
    again = torch.tensor(shuffled, dtype=torch.float64).T
    assert ause(errors, confidence).item() == pytest.approx(ause(*again).item(), abs=1e-12)
    _, by_confidence, by_oracle = sparsification(errors, confidence)
    assert (by_confidence >= by_oracle - 1e-12).all()
    assert by_confidence[0].item() == pytest.approx(errors.mean().item())


def test_equals_the_definition_in_numpy():
    errors, confidence = torch.rand(31, dtype=torch.float64), torch.rand(31, dtype=torch.float64)
    order = np.argsort(confidence.numpy())
    curve = [errors.numpy()[order[i:]].mean() for i in range(31)]
    best = [np.sort(errors.numpy())[: 31 - i].mean() for i in range(31)]
    assert ause(errors, confidence).item() == pytest.approx(np.mean(np.subtract(curve, best)), abs=1e-13)


def test_unlabelled_answers_do_not_count_and_nothing_is_no_number():
    errors, confidence = torch.tensor([[0.2, torch.nan], [0.6, 0.1]]), torch.tensor([[0.9, torch.nan], [0.8, 0.3]])
    mask = torch.tensor([[1, 0], [2, 1]])
    expected = ause(torch.tensor([0.2, 0.6, 0.1]), torch.tensor([0.9, 0.8, 0.3]))
    assert ause(errors, confidence, mask).item() == expected.item()
    assert ause(errors, confidence, torch.zeros(2, 2, dtype=torch.int64)).isnan()


def test_class_gives_the_function_over_batches():
    errors, confidence = torch.rand(9, dtype=torch.float64), torch.rand(9, dtype=torch.float64)
    metric = SparsificationError(normalise=True)
    metric.update(errors[:2], confidence[:2])
    metric.update(errors[2:], confidence[2:])
    assert metric.compute().item() == pytest.approx(ause(errors, confidence, normalise=True).item(), abs=1e-15)
