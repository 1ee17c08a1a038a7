import math

import pytest
import torch
from scipy import stats

from poserior.metrics import coverage_against_width, needed_width, region_reach, region_width


def spd(seed=0, count=6):
    half = torch.randn(count, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return half @ half.mT + 0.2 * torch.eye(2)


def test_width_is_that_of_the_circle_of_equal_area():
    covariance, radius = spd(), torch.linspace(1, 3, 6, dtype=torch.float64)
    axes = torch.linalg.eigvalsh(covariance).sqrt() * radius[:, None]  # half-axes
    area = math.pi * axes.prod(-1)
    torch.testing.assert_close(math.pi * (region_width(covariance, radius) / 2) ** 2, area)


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.95])
def test_the_gaussians_own_radius_is_that_of_chi_squared(probability):
    width = region_width(torch.eye(2, dtype=torch.float64)[None], probability=probability)
    assert width.item() == pytest.approx(2 * stats.chi2(2).ppf(probability) ** 0.5)


def test_reach_is_the_mahalanobis_distance_in_radii():
    covariance, radius = spd(1), torch.linspace(0.5, 2, 6, dtype=torch.float64)
    mean = torch.randn(6, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    target = torch.randn(6, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    step = (target - mean)[..., None]
    expected = (step.mT @ torch.linalg.inv(covariance) @ step)[:, 0, 0].sqrt() / radius
    torch.testing.assert_close(region_reach(mean, target, covariance, radius), expected)


def test_curve_and_needed_width_by_hand():
    reach = torch.tensor([[0.2, 0.9, 1.1], [3.0, 2.0, torch.nan]])
    width = torch.tensor([[2.0, 4.0, 6.0], [8.0, 10.0, torch.nan]])
    visibility = torch.tensor([[1, 2, 2], [1, 1, 0]])
    widths, held = coverage_against_width(reach, width, visibility, (0.0, 1.0, 2.0, 3.0))
    assert widths.tolist() == [0, 6, 12, 18]
    assert held.tolist() == pytest.approx([0, 0.4, 0.8, 1.0])
    assert needed_width(reach, width, visibility, 0.8).item() == pytest.approx(12)
    assert needed_width(reach, width, visibility, 0.81).item() == pytest.approx(18)


def test_true_gaussians_need_the_width_they_have_and_a_factor_changes_nothing():
    generator = torch.Generator().manual_seed(4)
    scale = torch.rand(40_000, generator=generator, dtype=torch.float64) * 4 + 1
    errors = torch.randn(40_000, 2, generator=generator, dtype=torch.float64) * scale[:, None]
    covariance = scale[:, None, None] ** 2 * torch.eye(2, dtype=torch.float64)
    seen = torch.ones(40_000, dtype=torch.int64)
    zero = torch.zeros_like(errors)
    needed = []
    for factor in (1.0, 0.3):  # the second promises too little
        radius = torch.full((40_000,), factor * math.sqrt(-2 * math.log(0.1)), dtype=torch.float64)
        width = region_width(covariance, radius)
        needed.append(needed_width(region_reach(zero, errors, covariance, radius), width, seen).item())
    assert needed[0] == pytest.approx(width.mean().item() / 0.3, rel=0.01)
    assert needed[1] == pytest.approx(needed[0])
    constant = torch.eye(2, dtype=torch.float64).expand(40_000, 2, 2)
    one = torch.ones(40_000, dtype=torch.float64)
    blunt = needed_width(region_reach(zero, errors, constant, one), region_width(constant, one), seen)
    assert blunt.item() > 1.05 * needed[0]  # a width that does not follow the errors is a wider one


def test_bad_input():
    with pytest.raises(ValueError, match=r"expected a probability in \(0, 1\), found 90.0"):
        region_width(torch.eye(2)[None], probability=90.0)
    with pytest.raises(ValueError, match=r"expected a probability in \(0, 1\], found 0.0"):
        needed_width(torch.ones(2), torch.ones(2), torch.ones(2, dtype=torch.int64), 0.0)
    assert needed_width(torch.ones(2), torch.ones(2), torch.zeros(2, dtype=torch.int64)).isnan()
