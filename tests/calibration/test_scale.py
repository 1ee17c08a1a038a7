"""Stretched densities and mapped levels, as parts of a model."""

import pytest
import torch

from poserior.calibration import QuantileCalibration, ScaleCalibration
from poserior.distributions import Gaussian, Laplace, Mixture

pytestmark = pytest.mark.usefixtures("double")


def fused():
    laws = [family(0.1 * torch.randn(2, 3, 2), 0.1 + torch.rand(2, 3, 2)) for family in (Gaussian, Laplace)]
    return Mixture(laws)


def test_fresh_parts_change_nothing():
    law = fused()
    points = law.sample((5,))
    for part in (ScaleCalibration(3), QuantileCalibration(3, knots=7)):
        torch.testing.assert_close(part(law).log_prob(points), law.log_prob(points))


def test_the_factor_stretches_about_the_mode_of_a_fused_law():
    law, part = fused(), ScaleCalibration(3)
    part.factors.copy_(torch.tensor([0.5, 1.5, 3.0]))
    wide = part(law)
    torch.testing.assert_close(wide.mode, law.mode, atol=1e-12, rtol=0)
    scale = part.factors.double()[:, None]
    torch.testing.assert_close(wide.variance, scale**2 * law.variance)
    points = law.sample((4,))
    moved = law.mode + scale * (points - law.mode)
    torch.testing.assert_close(wide.log_prob(moved), law.log_prob(points) - 2 * scale[:, 0].log())
    torch.testing.assert_close(wide.credible_level(moved), law.credible_level(points), atol=1e-2, rtol=0)


def test_each_keypoint_has_its_own_map():
    law, part = Gaussian(torch.zeros(2, 3, 2), torch.ones(2, 3, 2)), QuantileCalibration(3, knots=3)
    part.mass.copy_(torch.tensor([[0, 0.5, 1], [0, 0.8, 1], [0, 0.2, 1]]))
    part.factors.copy_(torch.tensor([1.0, 2.0, 1.0]))
    y = torch.full((2, 3, 2), 1.0)
    # r^2 = 2, so the levels are 1 - exp(-1) and, twice as wide, 1 - exp(-1/4).
    outer, inner = 1 - torch.exp(torch.tensor(-1.0)), 1 - torch.exp(torch.tensor(-0.25))
    expected = torch.stack([outer, 1.6 * inner, 0.2 + 1.6 * (outer - 0.5)])
    torch.testing.assert_close(part(law).credible_level(y), expected.expand(2, 3), atol=1e-6, rtol=0)


def test_a_map_needs_two_knots():
    with pytest.raises(ValueError, match="at least 2 knots, found 1"):
        QuantileCalibration(3, knots=1)
