import math

import pytest
import torch

from poserior.toy1d import PROBLEMS, kl_to_truth, log_densities
from poserior.toy1d.head import Head1d
from poserior.toy1d.nets import constant


class Known(Head1d):
    """A density that is handed over, moved up by each net's only parameter, times any factor."""

    def __init__(self, log_prob):
        self.parts = [constant(torch.zeros(1))]
        self.log_prob = log_prob

    def loss(self, parameters, x, y, generator):
        raise NotImplementedError

    def log_density(self, parameters, x, y):
        moved = y - parameters[0][..., None]
        return 7.5 + self.log_prob(*torch.broadcast_tensors(x[:, None], moved))


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_of_the_truth_is_zero(problem):
    kl = kl_to_truth(problem, Known(problem.log_prob), torch.zeros(2, 1, dtype=torch.float64), points=512)
    assert kl.tolist() == pytest.approx([0, 0], abs=1e-9)


def test_of_two_gaussians_is_the_closed_form():
    truth = PROBLEMS[1]
    moved = torch.tensor([[0.0], [0.05], [-0.1]], dtype=torch.float64)

    def wider(x, y):
        return torch.distributions.Normal(x.sin(), 0.3 * x.sigmoid()).log_prob(y)

    kl = kl_to_truth(truth, Known(wider), moved, points=1024)
    x = torch.linspace(-3, 3, 1024, dtype=torch.float64)
    true_scale = 0.15 * x.sigmoid()
    expected = math.log(2) + (true_scale**2 + moved**2) / (2 * (2 * true_scale) ** 2) - 0.5
    # the narrowest Gaussian is only as wide as one cell of this grid
    assert kl.tolist() == pytest.approx(expected.mean(1).tolist(), rel=2e-3)


def test_normalised_on_the_grid_in_the_order_of_x():
    problem = PROBLEMS[0]
    pieces = list(log_densities(Known(problem.log_prob), torch.zeros(3, 1, dtype=torch.float64), points=640))
    x = torch.cat([piece for piece, _ in pieces])
    values = torch.cat([value for _, value in pieces], dim=1)
    torch.testing.assert_close(x, torch.linspace(-3, 3, 640, dtype=torch.float64))
    assert values.shape == (3, 640, 640)
    torch.testing.assert_close(values.exp().sum(-1), torch.ones(3, 640, dtype=torch.float64))
