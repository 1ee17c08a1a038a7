import math

import pytest
import torch

from poserior.dense.losses import LossWeights, focal_loss, gather, l1_loss, weighted


def test_focal_loss_by_hand() -> None:
    p = [0.9, 0.2, 0.5, 0.7]
    logits = torch.tensor([math.log(x / (1 - x)) for x in p], dtype=torch.float64)
    heat = torch.tensor([1.0, 0.5, 0.0, 0.0], dtype=torch.float64)
    counts = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    expected = -(0.1**2 * math.log(0.9) + 0.5**4 * 0.2**2 * math.log(0.8) + 0.5**2 * math.log(0.5))
    assert focal_loss(logits, heat, counts).item() == pytest.approx(expected)
    twice = torch.cat([logits, logits]), torch.cat([heat, heat]), torch.cat([counts, counts])
    assert focal_loss(*twice).item() == pytest.approx(expected)  # per peak


def test_focal_loss_is_finite_and_pulls_where_the_network_is_sure_and_wrong() -> None:
    logits = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([1.0, 0.0]), torch.ones(2))
    loss.backward()
    assert loss.item() == pytest.approx(400.0)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([-1.0, 1.0]))


def test_l1_is_a_mean_over_the_coordinates_that_count() -> None:
    preds, target = torch.tensor([[1.0, 2.0], [5.0, math.nan]]), torch.tensor([[0.0, 4.0], [0.0, 0.0]])
    assert l1_loss(preds, target, torch.tensor([True, False])).item() == 1.5
    assert l1_loss(preds, target, torch.tensor([False, False])).item() == 0.0


def test_gather_takes_the_values_of_a_cell() -> None:
    values = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).float()
    cell = torch.tensor([[0, 19, 7], [6, 6, 13]])
    found = gather(values, cell)
    assert found.shape == (2, 3, 3)
    for b in range(2):
        for n in range(3):
            y, x = divmod(int(cell[b, n]), 5)
            assert torch.equal(found[b, n], values[b, :, y, x])


def test_the_sum_takes_each_with_its_weight() -> None:
    parts = {"centre": torch.tensor(2.0), "offset": torch.tensor(3.0), "density": torch.tensor(5.0)}
    assert weighted(parts, LossWeights()).item() == pytest.approx(2 + 0.3 + 0.5)
    assert weighted(parts, LossWeights(density=2.0)).item() == pytest.approx(2 + 0.3 + 10)
