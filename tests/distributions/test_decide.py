"""Decisions against closed forms, a brute-force grid and their own promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import poserior
from poserior.distributions import Flow, FlowLaw, Gaussian, GaussianKernel, Laplace, Mixture, RealNVP, decide
from poserior.errors import InputError

pytestmark = pytest.mark.usefixtures("double")


def hills(loc, scale, weights=None):
    """A mixture of Gaussians on the first axis, ``batch (1, 1)``."""
    parts = [
        Gaussian(torch.tensor([[[x, 0.0]]]), torch.full((1, 1, 2), float(s))) for x, s in zip(loc, scale, strict=True)
    ]
    return Mixture(parts, None if weights is None else torch.tensor(weights))


def expected(law, point, width):
    return law.expectation(GaussianKernel(point, torch.full_like(point, width)))


@pytest.mark.parametrize("width", [1e-3, 0.2, 50.0])
@pytest.mark.parametrize("kind", [Gaussian, Laplace])
def test_a_symmetric_single_peak_is_the_answer_to_everything(kind, width):
    law = kind(torch.randn(4, 3, 2), 0.1 + torch.rand(4, 3, 2))
    for target in ("mode", "mean"):
        torch.testing.assert_close(decide(law, target), law.mean)
    torch.testing.assert_close(decide(law, "oks", width), law.mean, atol=1e-6, rtol=0)


def test_a_kernel_makes_two_peaks_one():
    """Unit Gaussians at 0 (60 %) and 4: smoothed by a kernel of width 3 their spread is sqrt(10), and one peak is left.

    By hand: the slope of 0.6 exp(-c^2/20) + 0.4 exp(-(4-c)^2/20) is 0 where 0.6 c = 0.4 (4 - c) exp((8c - 16)/20);
    at c = 1.46: 0.876 on the left, 1.016 exp(-0.216) = 0.8187 on the right; at c = 1.36: 0.816 and 1.056 exp(-0.256)
    = 0.8175. So c lies at 1.3629.
    """
    law = hills([0.0, 4.0], [1, 1], [0.6, 0.4])
    assert decide(law)[0, 0, 0].item() == pytest.approx(0.0, abs=0.01)
    assert decide(law, "mean")[0, 0, 0].item() == pytest.approx(1.6)
    assert decide(law, "oks", 3.0)[0, 0].tolist() == pytest.approx([1.3629, 0], abs=2e-3)


@pytest.mark.parametrize("width", [0.15, 0.5, 0.9, 2.0])
def test_the_best_point_of_a_fine_grid(width):
    law = hills([0.0, 1.1, 2.0], [0.25, 0.5, 0.3], [0.42, 0.3, 0.28])
    axis = torch.linspace(-1, 3, 8001)
    grid = torch.stack([axis, torch.zeros_like(axis)], -1)[:, None, None]
    scores = expected(law, grid, width)[:, 0, 0]
    found = decide(law, "oks", width)
    assert found[0, 0].tolist() == pytest.approx([axis[scores.argmax()].item(), 0], abs=2e-3)
    assert expected(law, found, width).item() >= scores.max().item() - 1e-6


def test_narrow_kernels_want_the_mode_and_wide_ones_the_mean():
    law = hills([0.0, 1.0], [0.1, 0.4], [0.4, 0.6])
    torch.testing.assert_close(decide(law, "oks", 1e-4), law.mode, atol=1e-4, rtol=0)
    torch.testing.assert_close(decide(law, "oks", 100.0), law.mean, atol=1e-3, rtol=0)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.floats(0.01, 3))
def test_nothing_expects_a_higher_score(seed, width):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts = [Gaussian(torch.randn(3, 2, 2), 0.05 + torch.rand(3, 2, 2)) for _ in range(3)]
        parts.append(Laplace(torch.randn(3, 2, 2), 0.05 + torch.rand(3, 2, 2)))
        law = Mixture(parts, torch.rand(4).softmax(0))
    best = expected(law, decide(law, "oks", width), width)
    for other in (law.mode, law.mean, *[part.mean for part in parts]):
        assert (best >= expected(law, other, width) - 1e-12).all()


def test_a_flow_in_three_dimensions():
    law = Flow(torch.randn(2, 5, 3), 0.1 + torch.rand(2, 5, 3), FlowLaw(RealNVP(3)).eval())
    best = decide(law, "oks", 0.1 + torch.rand(5, 1))
    assert best.shape == (2, 5, 3)
    assert not best.requires_grad
    moved = decide(law, "oks", 0.3)
    assert (
        expected(law, moved, 0.3) >= torch.maximum(expected(law, law.mode, 0.3), expected(law, law.mean, 0.3))
    ).all()


def test_bad_calls_are_explained():
    law = Gaussian(torch.zeros(3, 2), torch.ones(3, 2))
    with pytest.raises((InputError, TypeError), match="median"):
        poserior.decide(law, "median")
    with pytest.raises(InputError, match="found none"):
        decide(law, "oks")
    with pytest.raises(InputError, match="one for the target 'mode'"):
        decide(law, "mode", 1.0)
    with pytest.raises(InputError, match="positive widths"):
        decide(law, "oks", torch.tensor([[1.0], [0.0], [2.0]]))
