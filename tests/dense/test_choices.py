"""One answer out of several, on numbers that can be checked by head."""

import pytest
import torch

from poserior.dense.choices import choose
from poserior.dense.heads import DenseFixed, DenseMixture, DenseRLE
from poserior.distributions import PoseFullMixture, PoseGaussianMixture

pytestmark = pytest.mark.usefixtures("double")
K, M = 3, 2


def two(scale):
    """Weights 0.6 and 0.4; the second is `scale` as wide; poses of -10 and 10."""
    loc = torch.tensor([-10.0, 10.0])[:, None, None].expand(1, M, K, 2)
    scales = torch.tensor([1.0, scale])[:, None, None].expand(1, M, K, 2)
    return PoseGaussianMixture(torch.tensor([[0.6, 0.4]]).log(), loc, scales)


HEAD = DenseMixture(5, (1.0,) * K, components=M)


@pytest.mark.parametrize("scale", [0.5, 0.95, 0.9])
def test_best_and_mean_look_at_weights_alone(scale):
    d = two(scale).marginals()
    component, points = choose(HEAD, d)
    assert component.tolist() == [0]
    assert (points == -10).all()
    component, points = choose(HEAD, d, "mean")
    assert component.tolist() == [0]
    torch.testing.assert_close(points, torch.full((1, K, 2), -2.0))


@pytest.mark.parametrize(("scale", "expected"), [(0.95, 0), (0.92, 1), (0.5, 1), (2.0, 0)])
def test_bishop_takes_the_higher_peak(scale, expected):
    """0.4 / scale^6 against 0.6: equal at (2 / 3)^(1 / 6) = 0.9346."""
    for law in (two(scale), PoseFullMixture(two(scale).logits, two(scale).loc, two(scale).scale_tril)):
        component, points = choose(HEAD, law.marginals(), "bishop")
        assert component.tolist() == [expected]
        assert (points == [-10, 10][expected]).all()
        component, points = choose(HEAD, law.marginals(), "densest")
        assert component.tolist() == [expected]
        torch.testing.assert_close(points, torch.full((1, K, 2), [-10.0, 10.0][expected]))


def test_correlation_narrows_a_component():
    """Of two equally wide components the correlated one has the smaller determinant."""
    factor = torch.eye(2).expand(1, M, K, 2, 2).clone()
    factor[:, 1, 0] = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
    law = PoseFullMixture(torch.tensor([[0.6, 0.4]]).log(), two(1.0).loc, factor)  # 0.4 / 0.6 = 0.67 > 0.6
    assert choose(HEAD, law.marginals(), "bishop")[0].tolist() == [1]
    assert choose(HEAD, law.marginals(), "best")[0].tolist() == [0]


def test_published_exponent_would_count_every_axis_twice():
    """docs/dense-heads.md: the public code raises each of two scales to the number of coordinates."""
    scale = 0.95
    assert 0.4 / scale ** (2 * K) < 0.6 < 0.4 / scale ** (4 * K)
    assert choose(HEAD, two(scale).marginals(), "bishop")[0].tolist() == [0]


@pytest.mark.parametrize("choice", ["best", "mean", "bishop", "densest"])
def test_heads_with_one_mode_answer_with_it(choice):
    for head, count in ((DenseFixed(5, (1.0,) * K), 2), (DenseRLE(5, (1.0,) * K, couplings=2, layers=2, neurons=4), 4)):
        d = head.eval().density(torch.randn(2, 7, count * K))
        component, points = choose(head, d, choice)
        assert component.shape == (2, 7)
        assert (component == 0).all()
        torch.testing.assert_close(points, d.mode)
