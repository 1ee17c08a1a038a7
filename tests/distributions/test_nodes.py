"""Quadrature nodes that are even in radius, against the laws they follow."""

import pytest
import torch
from scipy.stats import chi, gamma, kstest

from poserior.distributions.base import exponential_nodes, normal_nodes

LAWS = {"normal": normal_nodes, "exponential": exponential_nodes}


@pytest.mark.parametrize("count", [256, 1024])
@pytest.mark.parametrize("dim", [2, 3])
def test_the_mass_inside_a_circle_is_right_to_one_node(count, dim):
    radius = normal_nodes(count, dim).norm(dim=1)
    assert kstest(radius.numpy(), chi(dim).cdf).statistic <= 1.01 / count
    size = exponential_nodes(count, dim).abs().sum(1)
    assert kstest(size.numpy(), gamma(dim).cdf).statistic <= 1.01 / count


@pytest.mark.parametrize(("name", "variance"), [("normal", 1.0), ("exponential", 2.0)])
@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_moments_of_every_axis(name, variance, dim):
    points = LAWS[name](1024, dim)
    assert points.shape == (1024, dim)
    assert points.mean(0).abs().max() < 0.02
    torch.testing.assert_close(points.mT @ points / 1024, variance * torch.eye(dim).double(), atol=0.05, rtol=0)
