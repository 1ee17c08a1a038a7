from dataclasses import replace

import pytest
import torch

from poserior.calibration import Conformal, RegionScores
from poserior.ensemble import Ensemble
from poserior.errors import InputError
from poserior.inference import Predictor
from poserior.inference.regions import weighted_quantile


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


@pytest.fixture
def with_regions(planted):
    """Planted Gaussians; the ellipses' scores of nine small people are 1..9, those of nine large ones 11..19."""
    model = planted.model(planted.Planted([[0.1, -0.2], [0.0, 0.0], [-0.5, 0.5]], [[0.1, 0.05]] * 3))
    radius = torch.tensor([*range(1, 10), 10, *range(11, 20)]).float()[:, None].repeat(1, 3)
    model.regions = Conformal.fit(RegionScores(radius / 20, radius), radius > 0, torch.linspace(100, 300, 19), groups=2)
    return model, replace(planted.spec(), fitted_on={"regions": {"flip_test": False}})


IMAGE = torch.zeros(60, 60, 3, dtype=torch.uint8)


def test_the_predictor_takes_the_region_of_the_boxs_size(with_regions):
    # 0.53 x 10 x 20 = 106 square pixels is small, 0.53 x 20 x 25 = 265 large.
    boxes = [[[0.0, 0.0, 10.0, 20.0], [0.0, 0.0, 20.0, 25.0]]]
    small, large = Predictor(*with_regions, flip_test=False, device="cpu")([IMAGE], boxes)[0]
    assert small.regions[0.9].radius.tolist() == [9, 9, 9]
    assert large.regions[0.9].radius.tolist() == [19, 19, 19]
    assert large.regions[0.9].level.tolist() == pytest.approx([0.95] * 3)
    assert small.to_coco()["region_90"] == [9, 9, 9]
    ((small, large),) = Predictor(*with_regions, flip_test=False, device="cpu", regions=0.5)([IMAGE], boxes)
    assert list(small.regions) == [0.5]
    assert small.to_coco()["region_50"] == [5, 5, 5]
    assert large.regions[0.5].radius.tolist() == [15, 15, 15]


def test_regions_hold_for_the_predictions_they_were_fitted_on(with_regions, planted):
    model, spec = with_regions
    ((person,),) = Predictor(model, spec, flip_test=True, device="cpu")([IMAGE])
    assert not person.regions
    with pytest.raises(InputError, match=r"expected predictions without the flip test.* found them with"):
        Predictor(model, spec, flip_test=True, device="cpu", regions=0.9)
    ((person,),) = Predictor(Ensemble([model, model]), spec, flip_test=False, device="cpu")([IMAGE])
    assert not person.regions
    with pytest.raises(InputError, match="found an ensemble"):
        Predictor(Ensemble([model]), spec, flip_test=False, device="cpu", regions=0.9)
    with pytest.raises(InputError, match="poserior calibrate --method conformal"):
        Predictor(planted.model(planted.Centroids()), planted.spec(), device="cpu", regions=0.9)
    with pytest.raises(InputError, match="between 0 and 1, found 90"):
        Predictor(model, spec, flip_test=False, device="cpu", regions=90.0)
