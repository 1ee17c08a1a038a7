"""Scale calibration: known factors come out, regions cover what they say, and the result is part of the model."""

import math

import pytest
import torch
from torch.utils.data import Dataset

from poserior.calibration import QuantileCalibration
from poserior.distributions import Gaussian, Laplace
from poserior.errors import InputError
from poserior.metrics import coverage
from poserior.models import ModelSpec, build_model, load_model, save_model
from poserior.post_hoc import scale
from poserior.post_hoc.level_map import level_map, padded
from poserior.post_hoc.scale import FACTORS, Profile, best_factor, best_map
from poserior.skeletons import Skeleton
from poserior.structures import Sample

HANDS = Skeleton("hands", ("left", "right", "nose"), ((0, 1),), (("left", "right"),), (0.06, 0.06, 0.03))
SIZE = (32, 24)
NOMINAL = (0.5, 0.8, 0.9, 0.95)


def profile(law, labels):
    factors = FACTORS[:, None, None]
    points = law.mode + (labels - law.mode) / factors
    log_prob = law.log_prob(points)
    shift = labels.shape[-1] * factors[..., 0].log()
    fall = log_prob - law.log_prob(law.mode)
    return Profile(FACTORS, law.credible_level(points), log_prob - shift, fall, torch.zeros(len(labels)).long())


def covered(part, family, labels):
    law = part(family(torch.zeros(len(labels), 1, 2), torch.ones(len(labels), 1, 2)))
    return coverage(law.credible_level(labels[:, None]), torch.ones(len(labels), 1).bool(), NOMINAL).tolist(), law


def heavy(count):
    """Student's law with 3 degrees of freedom, both axes as far out together."""
    return torch.randn(count, 2) / (torch.distributions.Chi2(3.0).sample((count, 1)) / 3).sqrt()


def blunt(count):
    """Lighter in the tails than the Gaussian, with a flat top."""
    return torch.randn(count, 2).clamp(-1.2, 1.2) + 0.3 * torch.randn(count, 2)


@pytest.mark.parametrize("truth", [0.4, 1.5, 3.2])
def test_a_known_factor_comes_out(truth):
    law = Gaussian(torch.randn(6000, 2), 0.1 + torch.rand(6000, 2))
    labels = law.loc + truth * (law.sample() - law.loc)
    # One of 6000 labels' standard errors is below 1 %.
    assert best_factor(profile(law, labels)) == pytest.approx(truth, rel=0.02)


@pytest.mark.parametrize("family", [Gaussian, Laplace])
@pytest.mark.parametrize("draw", [heavy, blunt, torch.randn], ids=["heavy", "blunt", "gaussian"])
def test_the_map_covers_what_it_says_on_fresh_labels(family, draw):
    labels = draw(8000) if draw is not torch.randn else torch.randn(8000, 2)
    fresh = draw(40000) if draw is not torch.randn else torch.randn(40000, 2)
    law = family(torch.zeros(8000, 2), torch.ones(8000, 2))
    factor, fitted = best_map(profile(law, labels))
    part = QuantileCalibration(1)
    levels, mass = padded(fitted, 33)
    part.load_state_dict({"factors": torch.tensor([factor]), "levels": levels[None], "mass": mass[None]})
    shares, corrected = covered(part, family, fresh)
    # Standard errors: 0.0056 of the fit's 8000 labels, 0.0025 of the fresh ones.
    assert shares == pytest.approx(NOMINAL, abs=0.0125)
    plain, raw = covered(lambda same: same, family, fresh)
    if draw is not torch.randn:
        assert max(abs(share - nominal) for share, nominal in zip(plain, NOMINAL, strict=True)) > 0.02
    assert corrected.log_prob(fresh[:, None]).mean() > raw.log_prob(fresh[:, None]).mean() - 0.01


def test_the_map_of_few_labels_by_hand():
    """Four pieces of two labels; where a slope is above the one before it, the two are pooled."""
    levels = torch.tensor([0.1, 0.2, 0.25, 0.3, 0.5, 0.6, 0.8, 0.9])
    fitted = level_map(levels, torch.zeros(8), 2, 9)
    assert fitted.levels.tolist() == pytest.approx([0, 0.2, 0.3, 0.6, 1])
    # Masses 2/9, 2/9, 2/9, 3/9 over widths .2, .1, .3, .4: slopes 1.11 < 2.22 and 0.74 < 0.83. So 4/9 lie evenly over
    # the first .3, and 5/9 over the other .7.
    assert fitted.mass.tolist() == pytest.approx([0, 4 / 9 * 2 / 3, 4 / 9, 4 / 9 + 5 / 9 * 3 / 7, 1])
    gain = 4 * math.log(4 / 2.7) + 4 * math.log(5 / 6.3)
    assert fitted.gain == pytest.approx(gain / 8, abs=1e-6)


def test_a_falling_density_may_gain_outwards_what_it_falls():
    """With a density that falls by more than the slopes rise nothing has to be pooled."""
    levels = torch.tensor([0.1, 0.2, 0.25, 0.3, 0.5, 0.6, 0.8, 0.9])
    fitted = level_map(levels, torch.tensor([0.0, 0, -1, -1, -2, -2, -3, -3]), 2, 9)
    assert fitted.mass.tolist() == pytest.approx([0, 2 / 9, 4 / 9, 6 / 9, 1])


def test_padding_changes_no_value():
    fitted = level_map(torch.rand(900) ** 2, torch.zeros(900), 100, 33)
    levels, mass = padded(fitted, 33)
    assert len(levels) == 33
    assert (levels.diff() > 0).all()
    wanted = torch.tensor([0.05, 0.3, 0.77], dtype=torch.float64)
    for u in wanted:
        i, j = int((fitted.levels <= u).sum()) - 1, int((levels <= u).sum()) - 1
        before = torch.lerp(*fitted.mass[i : i + 2], (u - fitted.levels[i]) / fitted.levels[i : i + 2].diff()[0])
        after = torch.lerp(*mass[j : j + 2], (u - levels[j]) / levels[j : j + 2].diff()[0])
        torch.testing.assert_close(before, after)


class People(Dataset[Sample]):
    """Noise in pictures that are their own crops; labels by the model's density, `spread` times as far out."""

    def __init__(self, model, count, spread, flip_test=True, hidden=None, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randint(0, 256, (count, 3, *SIZE), generator=generator, dtype=torch.uint8)
        with torch.no_grad():
            law, _ = model.predict(self.images.float() / 255, HANDS if flip_test else None)
            labels = law.mode + spread * (law.sample() - law.mode)
        self.labels = (labels + 0.5) * torch.tensor([SIZE[1], SIZE[0]])
        self.visibility = torch.full((count, 3), 2)
        if hidden is not None:
            self.visibility[5:, hidden] = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return Sample(
            image=self.images[index].permute(1, 2, 0),
            keypoints=self.labels[index].float(),
            visibility=self.visibility[index],
            box_xyxy=torch.tensor([0.0, 0.0, SIZE[1], SIZE[0]]),
            area=400.0,
            skeleton=HANDS,
            image_id=index,
        )


def tiny(head, **options):
    spec = ModelSpec(
        {"name": "resnet18", "channels": [4, 4, 8, 8]}, {"class_path": head, "init_args": options}, HANDS, SIZE, 1.0
    )
    return build_model(spec).eval(), spec


FLOW = {"couplings": 2, "layers": 2, "neurons": 4}
HEADS = [("Gaussian", {}), ("RLE", FLOW), ("Heatmap", {"num_deconvolutions": 1, "channels": 4}), ("Mixture", {})]


@pytest.mark.parametrize(("head", "options"), HEADS, ids=[name for name, _ in HEADS])
def test_factors_of_a_model_are_found_and_survive_the_disk(head, options, tmp_path):
    model, spec = tiny(head, **options)
    flip_test = head != "Heatmap"  # fused, its four cells would be four ties
    people = People(model, 300, 1.5, flip_test)
    fitted, described = scale(model, spec, people, source="noise", full=False, flip_test=flip_test, progress=False)
    # 900 labels: three standard errors are some 8 %; levels of fused densities come in steps besides.
    assert float(fitted.recalibration.factors.log().mean().exp()) == pytest.approx(1.5, rel=0.1)
    facts = described.fitted_on["recalibration"]
    assert facts["labels"] == {"left": 300, "right": 300, "nose": 300}
    assert (facts["people"], facts["source"], facts["shared"], facts["flip_test"]) == (300, "noise", [], flip_test)
    assert facts["nll"]["after"] < facts["nll"]["before"]
    assert list(facts["coverage"]["after"].values()) == pytest.approx(NOMINAL, abs=0.06)
    assert model.recalibration is None
    save_model(fitted, described, tmp_path)
    again, read = load_model(tmp_path)
    assert read.fitted_on["recalibration"] == facts
    assert torch.equal(again.recalibration.factors, fitted.recalibration.factors)


@pytest.mark.parametrize(("head", "options"), [HEADS[0], HEADS[3]], ids=["Gaussian", "Mixture"])
def test_the_whole_map_covers_fresh_labels_with_the_flip_test(head, options, tmp_path):
    model, spec = tiny(head, **options)
    fitted, described = scale(model, spec, People(model, 420, 1.5), source="noise", progress=False)
    assert type(fitted.recalibration) is QuantileCalibration
    save_model(fitted, described, tmp_path)
    again, _ = load_model(tmp_path)
    fresh = People(model, 300, 1.5, seed=1)
    with torch.no_grad():
        law, _ = again.predict(fresh.images.float() / 255, HANDS)
        labels = fresh.labels / torch.tensor([SIZE[1], SIZE[0]]) - 0.5
        shares = coverage(law.credible_level(labels), torch.ones(300, 3).bool(), NOMINAL)
        torch.testing.assert_close(law.mode, model.predict(fresh.images.float() / 255, HANDS)[0].mode)
        confidence, _ = again.judge(law, again.backbone(fresh.images.float() / 255), torch.full((300, 3, 2), 0.1))
    assert shares.tolist() == pytest.approx(NOMINAL, abs=0.05)  # 900 fresh labels, 1260 fitted on: 0.02
    assert ((confidence > 0) & (confidence <= 1)).all()
    facts = described.fitted_on["recalibration"]
    assert facts["nll"]["after"] < facts["nll"]["before"]


def test_a_second_fit_replaces_the_first():
    model, spec = tiny("Gaussian")
    people = People(model, 200, 2.0)
    once, described = scale(model, spec, people, source="noise", full=False, progress=False)
    old = {**described.fitted_on, "regions": {"people": 1}}
    twice, again = scale(once, ModelSpec(**{**vars(described), "fitted_on": old}), people, source="noise", full=False,
                         progress=False)  # fmt: skip
    assert torch.equal(once.recalibration.factors, twice.recalibration.factors)
    assert again.fitted_on == described.fitted_on  # the old levels' regions are gone
    assert again.regions is None


def test_few_labels_share_and_too_few_are_refused():
    model, spec = tiny("Gaussian")
    fitted, described = scale(
        model, spec, People(model, 150, 1.5, hidden=2), source="noise", full=False, progress=False
    )
    facts = described.fitted_on["recalibration"]
    assert facts["labels"] == {"left": 150, "right": 150, "nose": 5}
    assert facts["shared"] == ["nose"]
    left, right, nose = fitted.recalibration.factors.tolist()
    assert min(left, right) * 0.99 <= nose <= max(left, right) * 1.01
    with pytest.raises(InputError, match="at least 100 labelled keypoints to calibrate the scale on, found 90"):
        scale(model, spec, People(model, 30, 1.5), source="noise", full=False, progress=False)
    with pytest.raises(InputError, match=r"at least 400 labelled keypoints .* found 90"):
        scale(model, spec, People(model, 30, 1.5), source="noise", progress=False)
