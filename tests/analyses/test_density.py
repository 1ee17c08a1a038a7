import math

import pytest
import torch
from torch.distributions import Independent, Laplace, Normal

from poserior.analyses import density
from poserior.analyses.density import laws_of
from poserior.analyses.errors import Errors, collect_errors
from poserior.distributions import Gaussian
from poserior.distributions import Laplace as LaplaceHead
from poserior.errors import InputError

SCALE = 2.0  # px


def noisy(known, noise, with_law=False):
    """People whose labels lie off the points by draws of a law; `true` says so."""
    generator = torch.Generator().manual_seed(3)
    uniform = torch.rand(400, 3, 2, generator=generator, dtype=torch.float64).clamp(1e-9, 1 - 1e-9)
    offsets = (noise(torch.zeros(1), torch.ones(1)).icdf(uniform) * SCALE).float()

    def change(index):
        law = Independent(noise(known.POINTS, torch.full((3, 2), SCALE)), 1) if with_law else None
        return {"keypoints": known.POINTS + offsets[index], "label_law": law}

    return known.Same(400, change)


def true_gaussian(known, spread=SCALE):
    sides = torch.tensor([known.WIDTH, known.HEIGHT])
    return known.model(
        lambda pictures: (
            known.normalised(known.POINTS).expand(len(pictures), 3, 2),
            (spread / sides).expand(len(pictures), 3, 2),
        )
    )


def test_laplace_errors_rank_laplace_first(known):
    result = density(true_gaussian(known), known.spec, noisy(known, Laplace), progress=False)
    assert result.log_likelihood["laplace"] > result.log_likelihood["gaussian"] > result.log_likelihood["learned"]
    # the expected gain: entropies of a Gaussian and a Laplace of variance 1, twice
    gain = math.log(2 * math.pi * math.e) - 2 * math.log(math.sqrt(2) * math.e)
    found = result.log_likelihood["laplace"] - result.log_likelihood["gaussian"]
    assert found == pytest.approx(gain, abs=4 * result.standard_error["laplace"] + 0.02)
    assert 0 < result.standard_error["laplace"] < 0.05
    assert result.laplace_scale.tolist() == pytest.approx([1.0, 1.0], abs=0.1)  # e's of one predicted deviation


def test_gaussian_errors_rank_gaussian_first_and_reach_the_true_law(known):
    result = density(true_gaussian(known), known.spec, noisy(known, Normal, with_law=True), progress=False)
    assert result.log_likelihood["gaussian"] > result.log_likelihood["laplace"]
    # the model says the very law the labels were drawn from
    assert result.log_likelihood["true"] == pytest.approx(result.log_likelihood["learned"], abs=1e-4)
    sides = math.log(known.WIDTH * known.HEIGHT / SCALE**2)
    assert result.log_likelihood["true"] == pytest.approx(sides - math.log(2 * math.pi) - 1, abs=0.1)
    assert result.true_draws.std(0).tolist() == pytest.approx([1.0, 1.0], abs=0.03)


def test_the_learned_law_on_the_grid(known):
    result = density(true_gaussian(known), known.spec, noisy(known, Normal), progress=False)
    x = result.axis
    step = float(x[1] - x[0])
    expected = torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
    torch.testing.assert_close(result.learned, expected[:, None] * expected, atol=1e-5, rtol=1e-3)
    assert float(result.learned.sum()) * step**2 == pytest.approx(1.0, abs=1e-4)


def test_errors_are_in_predicted_deviations(known):
    errors = collect_errors(true_gaussian(known, 4.0), known.spec, noisy(known, Normal), progress=False)
    assert errors.u.shape == (1200, 2)
    assert errors.u.std(0).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    assert errors.joint[:4].tolist() == [0, 1, 2, 0]
    assert errors.person[[0, 3, 1199]].tolist() == [0, 1, 399]
    assert float(errors.log_std[0]) == pytest.approx(math.log(4 / 30) + math.log(4 / 40), abs=1e-5)


def test_other_laws_have_variance_one_too():
    u = torch.randn(50, 2)
    zeros = torch.zeros(50)
    laws = [LaplaceHead(torch.full((1, 2), 0.2), torch.full((1, 2), 0.3)), Gaussian(torch.ones(1, 2), torch.ones(1, 2))]
    result = laws_of(Errors(u, zeros.long(), torch.arange(50), zeros, zeros, laws))
    step = float(result.axis[1] - result.axis[0])
    marginal = result.learned.sum(1) * step
    assert float((marginal * result.axis**2).sum() * step) == pytest.approx(1.0, abs=0.01)
    assert float(result.learned[80, 80]) == pytest.approx((0.5 + 1 / (2 * math.pi)) / 2, rel=1e-3)


def test_nothing_labelled(known):
    with pytest.raises(InputError, match="labelled keypoints"):
        density(
            true_gaussian(known),
            known.spec,
            known.Same(2, lambda _: {"visibility": torch.zeros(3).long()}),
            progress=False,
        )
