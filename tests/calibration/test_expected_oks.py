import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from poserior.calibration import Calibrator, ExpectedOks, expected_oks, instance_confidence
from poserior.distributions import Gaussian, Laplace

SIGMAS = (0.05, 0.1, 0.02)
AREA = (900.0, 4000.0)


@pytest.fixture
def laws(double):
    loc, scale = torch.rand(2, 3, 2) * 100, torch.rand(2, 3, 2) * 8 + 1
    return loc, scale


def widths():
    """``l = 2 sigma sqrt(area)``, people x keypoints."""
    return 2 * np.sqrt(AREA)[:, None] * np.array(SIGMAS)


def test_isotropic_gaussian_is_equation_12(double):
    s = torch.rand(2, 3, 1) * 8 + 1
    ours = expected_oks(Gaussian(torch.zeros(2, 3, 2), s.expand(2, 3, 2)), torch.tensor(AREA), SIGMAS)
    squared = torch.tensor(widths() ** 2)
    torch.testing.assert_close(ours, squared / (squared + s[..., 0] ** 2), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("law", "reference"), [(Gaussian, stats.norm), (Laplace, stats.laplace)])
@pytest.mark.parametrize("bias", [0.0, 5.0])
def test_equals_the_integral(laws, law, reference, bias):
    loc, scale = laws
    point = loc + torch.tensor([bias, -bias / 2])
    ours = expected_oks(law(loc, scale), torch.tensor(AREA), SIGMAS, point if bias else None)
    for n in range(2):
        for k in range(3):
            expected, width = 1.0, widths()[n, k]
            for d, shift in enumerate((bias, -bias / 2)):
                density = reference(0, scale[n, k, d].item())
                kernel = lambda e, m=shift, p=density, w=width: math.exp(-0.5 * ((e - m) / w) ** 2) * p.pdf(e)  # noqa: E731
                expected *= integrate.quad(kernel, -200, 200, points=[0, shift], limit=400)[0]
            assert ours[n, k].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("law", [Gaussian, Laplace])
def test_equals_the_mean_realised_oks(laws, law):
    loc, scale = laws
    density = law(loc, scale)
    distance = torch.linalg.vector_norm(density.sample((40_000,)) - density.mode, dim=-1)
    realised = torch.exp(-(distance**2) / (2 * torch.tensor(widths()) ** 2))
    # standard error of the mean of values in [0, 1] over 40,000 draws: at most 0.0025
    torch.testing.assert_close(expected_oks(density, torch.tensor(AREA), SIGMAS), realised.mean(0), atol=0.01, rtol=0)


def test_one_person_and_one_area_for_all(laws):
    loc, scale = laws
    both = expected_oks(Gaussian(loc, scale), 900, SIGMAS)
    assert both.shape == (2, 3)
    for n in range(2):
        torch.testing.assert_close(expected_oks(Gaussian(loc[n], scale[n]), 900.0, SIGMAS), both[n])
        area = torch.tensor(900.0)
        torch.testing.assert_close(expected_oks(Gaussian(loc[n], scale[n]), area, torch.tensor(SIGMAS)), both[n])


def test_the_mode_is_the_best_answer(laws):
    loc, scale = laws
    density = Gaussian(loc, scale)
    best = expected_oks(density, torch.tensor(AREA), SIGMAS)
    assert (expected_oks(density, torch.tensor(AREA), SIGMAS, loc + 1.0) < best).all()


def test_errors_teach(laws):
    density, function = Gaussian(*laws), unwrap(expected_oks)
    with pytest.raises(ValueError, match=r"expected 3 oks_sigmas, one per keypoint, found \(2,\)"):
        function(density, 900.0, SIGMAS[:2])
    with pytest.raises(ValueError, match=r"expected areas of shape \(2,\) or one number, found \(3,\)"):
        function(density, torch.ones(3), SIGMAS)
    with pytest.raises(ValueError, match=r"expected positive areas, found 0\.0"):
        function(density, 0.0, SIGMAS)


def test_instance_confidence_by_hand():
    confidence = torch.tensor([[0.9, 0.3, 0.6], [0.5, 0.5, 0.1]])
    visibility = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert instance_confidence(confidence, visibility).tolist() == pytest.approx([(0.9 + 0.15) / 1.5, 0.0])
    assert instance_confidence(confidence[0], torch.tensor([0, 2, 2]) > 0).item() == pytest.approx(0.45)


class TestCalibrator:
    B, C, H, W, K = 2, 5, 7, 11, 3

    @pytest.fixture
    def calibrator(self, double):
        calibrator = ExpectedOks(self.C, self.K)
        assert isinstance(calibrator, Calibrator)
        return calibrator

    @pytest.fixture
    def features(self, double):
        return torch.randn(self.B, self.C, self.H, self.W, requires_grad=True)

    def test_confidence_is_the_expected_oks_and_visibility_the_logistic_layer(self, calibrator, features, laws):
        loc, scale = laws
        kernel = torch.tensor(widths())[..., None].expand(2, 3, 2)
        confidence, visibility = calibrator(Laplace(loc, scale), features, kernel)
        torch.testing.assert_close(confidence, expected_oks(Laplace(loc, scale), torch.tensor(AREA), SIGMAS))
        layer = {key: value.detach().numpy() for key, value in calibrator.visibility.named_parameters()}
        logits = features.detach().numpy().mean((2, 3)) @ layer["weight"].T + layer["bias"]
        assert visibility.detach().numpy() == pytest.approx(1 / (1 + np.exp(-logits)))

    def test_loss_is_the_cross_entropy_of_labelled_or_not(self, calibrator, features):
        labels = torch.tensor([[0, 1, 2], [2, 0, 0]])
        _, visibility = calibrator(Gaussian(torch.zeros(2, 3, 2), torch.ones(2, 3, 2)), features, torch.ones(2, 3, 2))
        truth, p = (labels > 0).numpy(), visibility.detach().numpy()
        expected = -(np.log(p[truth]).sum() + np.log(1 - p[~truth]).sum()) / 6
        assert calibrator.loss(features, labels).item() == pytest.approx(expected)

    def test_the_backbone_learns_nothing_from_it(self, calibrator, features):
        calibrator.loss(features, torch.tensor([[0, 1, 2], [2, 0, 0]])).backward()
        assert features.grad is None
        assert all((parameter.grad != 0).any() for parameter in calibrator.parameters())

    def test_it_learns_whom_one_sees(self, calibrator):
        features = torch.randn(64, self.C, 2, 3)
        labels = (features.mean((2, 3))[:, : self.K] > 0).long() * 2
        optimiser = torch.optim.Adam(calibrator.parameters(), 0.1)
        for _ in range(150):
            optimiser.zero_grad()
            calibrator.loss(features, labels).backward()
            optimiser.step()
        assert calibrator.loss(features, labels).item() < 0.3  # knowing nothing: log 2 = 0.69


class TestArea:
    B, C, H, W, K = 4, 5, 7, 11, 3
    SHARE = 0.4

    @pytest.fixture
    def calibrator(self, double):
        return ExpectedOks(self.C, self.K, area_per_box=self.SHARE)

    @pytest.fixture
    def features(self, double):
        return torch.randn(self.B, self.C, self.H, self.W, requires_grad=True)

    def laws(self):
        return Gaussian(torch.rand(self.B, self.K, 2), torch.rand(self.B, self.K, 2) + 0.1)

    def test_it_starts_at_the_mean_and_changes_no_confidence(self, calibrator, features):
        plain = ExpectedOks(self.C, self.K)
        plain.visibility.load_state_dict(calibrator.visibility.state_dict())
        law, kernel = self.laws(), torch.rand(self.B, self.K, 2) + 0.1
        for ours, theirs in zip(calibrator(law, features, kernel), plain(law, features, kernel), strict=True):
            torch.testing.assert_close(ours, theirs)
        assert calibrator.area_share(features).tolist() == pytest.approx([self.SHARE] * self.B)
        assert plain.area_share(features) is None
        assert set(plain.state_dict()) == {"visibility.weight", "visibility.bias"}  # old checkpoints fit

    def test_four_times_the_area_is_a_kernel_twice_as_wide(self, calibrator, features):
        with torch.no_grad():
            calibrator.area.bias += math.log(4)
        law, kernel = self.laws(), torch.rand(self.B, self.K, 2) + 0.1
        confidence, _ = calibrator(law, features, kernel)
        by_hand = (2 * kernel / (4 * kernel**2 + law.scale**2).sqrt()).prod(-1)
        torch.testing.assert_close(confidence, by_hand)
        assert calibrator.area_share(features).tolist() == pytest.approx([4 * self.SHARE] * self.B)

    def test_its_loss_is_the_error_of_the_logarithm(self, calibrator, features):
        share = torch.tensor([self.SHARE * math.e, self.SHARE, self.SHARE / math.e**2, 1.0])
        labels = torch.zeros(self.B, self.K, dtype=torch.int64)
        expected = (1 + 0 + 2 + abs(math.log(self.SHARE))) / 4
        assert calibrator.area_loss(features, share).item() == pytest.approx(expected)
        alone = calibrator.loss(features, labels).item()
        assert calibrator.loss(features, labels, share).item() == pytest.approx(alone + expected)
        assert ExpectedOks(self.C, self.K).area_loss(features, share).item() == 0

    def test_unknown_areas_teach_nothing(self, calibrator, features):
        share = torch.tensor([math.nan, 0.0, math.inf, self.SHARE * math.e])
        loss = calibrator.area_loss(features, share)
        assert loss.item() == pytest.approx(1.0)
        (known,) = torch.autograd.grad(loss, calibrator.area.weight)
        assert known[0].tolist() == pytest.approx((-features[3].mean((1, 2))).tolist())
        nobody = calibrator.area_loss(features, torch.tensor([math.nan, -1.0, 0.0, math.inf]))
        assert nobody.item() == 0
        assert torch.autograd.grad(nobody, calibrator.area.weight)[0].abs().sum() == 0

    def test_absurd_predictions_are_bounded(self, calibrator, features):
        with torch.no_grad():
            calibrator.area.bias.fill_(1000.0)
        assert calibrator.area_share(features).tolist() == pytest.approx([10.0] * self.B)
        confidence, _ = calibrator(self.laws(), features, torch.ones(self.B, self.K, 2))
        assert confidence.isfinite().all()

    def test_it_learns_who_is_large(self, calibrator):
        features = torch.randn(64, self.C, 2, 3)
        share = torch.exp(0.5 * features.mean((2, 3))[:, 0] - 2)
        labels = torch.full((64, self.K), 2)
        start = calibrator.area_loss(features, share).item()
        optimiser = torch.optim.Adam(calibrator.parameters(), 0.03)
        for _ in range(200):
            optimiser.zero_grad()
            calibrator.loss(features, labels, share).backward()
            optimiser.step()
        assert calibrator.area_loss(features, share).item() < 0.1 * start

    @pytest.mark.parametrize("share", [0.0, -1.0, math.nan, math.inf])
    def test_a_mean_share_is_positive(self, share):
        with pytest.raises(ValueError, match="expected a positive area_per_box"):
            ExpectedOks(self.C, self.K, share)
