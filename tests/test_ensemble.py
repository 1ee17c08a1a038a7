"""Ensembles and Monte Carlo dropout: the mixture of their members' densities, through the regressor's doors."""

import math

import pytest
import torch
from torch import nn

from poserior import Ensemble, heads, load, mc_dropout, skeletons
from poserior.backbones import Backbone
from poserior.calibration import expected_oks
from poserior.distributions import Mixture
from poserior.errors import InputError
from poserior.inference import Predictor
from poserior.models import ModelSpec, Regressor, build_model, flip_fused, save_model

LSP = skeletons.load("lsp14")
SIZE = (64, 48)


def spec(head="Laplace", backbone="test_resnet", skeleton=LSP, **other):
    return ModelSpec({"name": backbone}, {"class_path": head}, skeleton, other.pop("image_size", SIZE), **other)


def spread_out(model):
    """Heads begin at the centre for every picture; these answer differently."""
    for name, value in model.head.named_parameters():
        if "locate" in name:
            nn.init.normal_(value, std=0.1)
    return model.eval()


@pytest.fixture
def members():
    """Two heads on two backbones."""
    return [
        spread_out(build_model(spec())),
        spread_out(build_model(spec("Gaussian", "test_vit"))),
    ]


def test_the_mixture_of_different_models(members):
    images = torch.rand(3, 3, *SIZE)
    law = Ensemble(members).eval()(images)
    assert law.batch_shape == (3, 14)
    first, second = [model(images) for model in members]
    y = torch.rand(5, 3, 14, 2) - 0.5
    by_hand = ((first.log_prob(y).exp() + second.log_prob(y).exp()) / 2).log()
    torch.testing.assert_close(law.log_prob(y), by_hand)
    torch.testing.assert_close(law.mean, (first.mean + second.mean) / 2)
    # Law of total variance: within, plus half the distance squared between.
    apart = (first.mean - second.mean) / 2
    torch.testing.assert_close(law.variance, (first.variance + second.variance) / 2 + apart**2)


def test_the_flip_test_and_the_members_go_through_one_door(members):
    images = torch.rand(2, 3, *SIZE)
    law, _ = Ensemble(members).eval().predict(images, LSP)
    assert len(law.components) == 4
    fused = [flip_fused(model, images, LSP)[0] for model in members]
    y = torch.rand(2, 14, 2) - 0.5
    torch.testing.assert_close(law.log_prob(y), Mixture(fused).log_prob(y))


def test_confidence_is_the_expected_oks_under_the_mixture(members):
    predictor = Predictor(Ensemble(members), spec(), flip_test=True, device="cpu")
    picture = torch.randint(0, 255, (60, 50, 3), dtype=torch.uint8)
    ((person,),) = predictor([picture], [[[5.0, 5.0, 45.0, 55.0]]])
    confidence = expected_oks(person.distribution, 0.53 * 40 * 50, LSP.oks_sigmas, person.keypoints)
    torch.testing.assert_close(person.confidence, confidence, atol=1e-4, rtol=1e-4)
    seen = [Predictor(model, spec(), True, device="cpu")([picture], [[[5.0, 5.0, 45.0, 55.0]]]) for model in members]
    by_hand = torch.stack([alone[0][0].visibility for alone in seen]).mean(0)
    torch.testing.assert_close(person.visibility, by_hand)


def test_runs_are_loaded_together(members, tmp_path):
    save_model(members[0], spec(area_per_box=0.4), tmp_path / "a")
    save_model(members[1], spec("Gaussian", "test_vit", area_per_box=0.6), tmp_path / "b")
    predictor = load([tmp_path / "a", tmp_path / "b"], device="cpu")
    assert predictor.spec.area_per_box == pytest.approx(0.5)
    images = torch.rand(2, 3, *SIZE)
    y = torch.rand(2, 14, 2) - 0.5
    torch.testing.assert_close(predictor.model(images).log_prob(y), Ensemble(members)(images).log_prob(y))
    assert isinstance(load([tmp_path / "a"], device="cpu").model, Regressor)


def test_areas_are_averaged_and_each_member_keeps_its_own(members, tmp_path):
    for name, start, share in (("a", 0.4, 0.2), ("b", 0.6, 0.5)):
        calibrator = {"class_path": "ExpectedOks", "init_args": {"area_per_box": start}}
        described = spec(area_per_box=start, calibrator=calibrator)
        model = build_model(described)
        nn.init.constant_(model.calibrator.area.bias, math.log(share))
        save_model(model, described, tmp_path / name)
    predictor = load([tmp_path / "a", tmp_path / "b"], flip_test=False, device="cpu")
    picture = torch.randint(0, 255, (60, 50, 3), dtype=torch.uint8)
    ((person,),) = predictor([picture], [[[5.0, 5.0, 45.0, 55.0]]])
    assert person.area == pytest.approx(0.35 * 40 * 50, rel=1e-4)
    each = [expected_oks(person.distribution, s * 40 * 50, LSP.oks_sigmas, person.keypoints) for s in (0.2, 0.5)]
    torch.testing.assert_close(person.confidence, (each[0] + each[1]) / 2, atol=1e-4, rtol=1e-4)
    assert Ensemble(members).area_share(Ensemble(members).predict(torch.rand(1, 3, *SIZE))[1]) is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (spec(image_size=(64, 64)), r"one image_size, found \(64, 48\) in .*a and \(64, 64\)"),
        (spec(box_padding=1.5), "one box_padding"),
        (spec(skeleton=skeletons.load("coco17")), r"one skeleton, found \[14, 17\] keypoints"),
        (spec(skeleton=skeletons.load("face14")), "one skeleton, found lsp14 in .*a and face14"),
    ],
)
def test_members_must_speak_of_the_same(other, message, tmp_path):
    save_model(build_model(spec()), spec(), tmp_path / "a")
    save_model(build_model(other), other, tmp_path / "b")
    with pytest.raises(InputError, match=message):
        Ensemble.load([tmp_path / "a", tmp_path / "b"])


def test_an_ensemble_has_members():
    with pytest.raises(InputError, match="at least one model"):
        Ensemble([])


def dropping(**options):
    backbone = Backbone("test_vit", image_size=SIZE, **options)
    return spread_out(Regressor(backbone, heads.Laplace(backbone.out_channels, 14)))


@pytest.mark.parametrize("options", [{"proj_drop_rate": 0.3}, {"attn_drop_rate": 0.3}])
def test_dropout_stays_active_and_nothing_else(options):
    model = dropping(**options)
    images = torch.rand(2, 3, *SIZE)
    assert torch.equal(model(images).mean, model(images).mean)
    passes = mc_dropout(model, 4).eval()
    law = passes(images)
    assert len(law.components) == 4
    means = torch.stack([part.mean for part in law.components])
    assert means.var(0).min() > 0
    # Not the whole model is back in training mode.
    assert not model.training
    assert not model.head.training
    apart = (means - means.mean(0)).square().mean(0)
    inside = torch.stack([part.variance for part in law.components]).mean(0)
    torch.testing.assert_close(law.variance, inside + apart)


def test_dropout_passes_serve_a_predictor():
    predictor = Predictor(mc_dropout(dropping(proj_drop_rate=0.3), 3), spec(), flip_test=True, device="cpu")
    ((person,),) = predictor([torch.randint(0, 255, (60, 50, 3), dtype=torch.uint8)])
    assert len(person.distribution.components) == 6
    assert ((person.confidence > 0) & (person.confidence < 1)).all()


def test_a_model_without_dropout_is_told():
    with pytest.raises(InputError, match="with dropout for Monte Carlo dropout, found none"):
        mc_dropout(dropping(), 4)
    with pytest.raises(InputError, match="at least 1 pass"):
        mc_dropout(dropping(proj_drop_rate=0.1), 0)
