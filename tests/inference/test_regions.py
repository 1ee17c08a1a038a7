import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poserior.inference.regions import central_ellipse, weighted_quantile


def test_quantile_of_equal_weights_is_the_sample_quantile():
    values = torch.linspace(0, 1, 1001)[:, None].expand(-1, 3)
    weights = torch.full_like(values, 1 / 1001)
    assert weighted_quantile(values, weights, 0.9).tolist() == pytest.approx([0.9] * 3, abs=2e-3)


def test_quantile_follows_the_weights():
    values, weights = torch.tensor([5.0, 1.0, 3.0]), torch.tensor([0.1, 0.8, 0.1])
    # middles of the steps: 1 at 0.4, 3 at 0.85, 5 at 0.95
    assert weighted_quantile(values, weights, 0.9).item() == pytest.approx(4.0)
    assert weighted_quantile(values, weights, 0.2).item() == 1.0
    assert weighted_quantile(values, weights, 0.99).item() == 5.0


@given(st.floats(0.05, 20), st.floats(0.05, 20), st.floats(-3.1, 3.1))
def test_ellipse_of_a_turned_covariance(a, b, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
    covariance = turn @ torch.diag(torch.tensor([a * a, b * b], dtype=torch.float64)) @ turn.mT
    _, axes, found = central_ellipse(torch.zeros(2).double(), covariance, torch.tensor(2.0).double())
    assert axes.tolist() == pytest.approx([2 * max(a, b), 2 * min(a, b)], rel=1e-5)
    # the end of the major axis lies on the ellipse of Mahalanobis radius 2
    end = axes[0] * torch.stack([found.cos(), found.sin()])
    assert float(end @ torch.linalg.inv(covariance) @ end) == pytest.approx(4.0, rel=1e-5)
