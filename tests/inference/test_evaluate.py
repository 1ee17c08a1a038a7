import math

import pytest
import torch
from torch.distributions import Independent, Laplace, MixtureSameFamily, Normal, StudentT
from torch.utils.data import Dataset

from poserior import metrics
from poserior.errors import InputError
from poserior.inference.evaluate import evaluate_model, standardised_draws
from poserior.structures import Sample

LOC, SCALE = [[0.1, -0.2], [0.0, 0.0], [-0.3, 0.3]], [[0.1, 0.05], [0.02, 0.03], [0.2, 0.2]]


class People(Dataset):
    """Labels drawn from the planted law, in a crop of 37.5 x 50 pixels around (60, 50)."""

    def __init__(self, skeleton, count, law=True, unlabelled=0.25, keypoints=3):
        generator = torch.Generator().manual_seed(5)
        loc, scale = torch.tensor(LOC)[:keypoints], torch.tensor(SCALE)[:keypoints]
        sides, center = torch.tensor([37.5, 50.0]), torch.tensor([60.0, 50.0])
        self.loc, self.scale = loc * sides + center, scale * sides
        draws = self.loc + self.scale * torch.randn(count, keypoints, 2, generator=generator)
        self.visibility = 2 * (torch.rand(count, keypoints, generator=generator) >= unlabelled).long()
        self.keypoints = torch.where(self.visibility[..., None] > 0, draws, 0.0)
        self.skeleton, self.law = skeleton, law

    def __len__(self):
        return len(self.keypoints)

    def __getitem__(self, index):
        return Sample(
            image=torch.zeros(100, 120, 3, dtype=torch.uint8),
            keypoints=self.keypoints[index],
            visibility=self.visibility[index],
            box_xyxy=torch.tensor([45.0, 40.0, 75.0, 60.0]),
            area=250.0,
            skeleton=self.skeleton,
            image_id=f"picture {index}",
            annotation_id=index + 100,
            score=0.5,
            label_law=Independent(Normal(self.loc, self.scale), 1) if self.law else None,
        )


def evaluate(planted, data, flip_test=False, **options):
    model = planted.model(planted.Planted(LOC, SCALE))
    return evaluate_model(model, planted.spec(), data, "planted", flip_test, progress=False, **options)


def test_the_record_agrees_with_hand_worked_values(planted):
    data = People(planted.HANDS, 70)
    found = evaluate(planted, data, batch_size=32)
    assert found.image_id[69] == "picture 69"
    assert found.annotation_id[3] == 103
    assert (found.target == data.keypoints).all()
    assert (found.target_visibility == data.visibility).all()
    assert found.area.tolist() == [250.0] * 70
    torch.testing.assert_close(found.keypoints, data.loc.expand(70, 3, 2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.mean, found.keypoints)
    torch.testing.assert_close(
        found.covariance, torch.diag_embed(data.scale**2).expand(70, 3, 2, 2), atol=1e-4, rtol=1e-4
    )
    # log N in pixels, and the change of unit: one crop-normalised unit is 37.5 x 50 pixels.
    by_hand = Independent(Normal(data.loc, data.scale), 1).log_prob(data.keypoints) + math.log(37.5 * 50)
    labelled = data.visibility > 0
    torch.testing.assert_close(found.log_prob[labelled], by_hand[labelled], atol=1e-3, rtol=1e-4)
    assert (found.log_prob[~labelled] == 0).all()
    # A plane Gaussian's point at Mahalanobis radius r has the level 1 - exp(-r^2 / 2).
    squared = ((data.keypoints - data.loc) / data.scale).square().sum(-1)
    torch.testing.assert_close(found.credible_level[labelled], (1 - (-squared / 2).exp())[labelled], atol=1e-3, rtol=0)
    assert found.ellipse_radius.flatten().tolist() == pytest.approx([math.sqrt(2 * math.log(10))] * 210, rel=0.03)
    # The confidence knows the box only: 0.53 x 30 x 20, not the annotated 250.
    width = 2 * torch.tensor(planted.HANDS.oks_sigmas)[:, None] * math.sqrt(0.53 * 600)
    expected = (width / (width**2 + data.scale**2).sqrt()).prod(-1)
    torch.testing.assert_close(found.confidence, expected.expand(70, 3), atol=1e-4, rtol=1e-4)
    assert found.score.tolist() == pytest.approx([0.5 * expected.mean().item()] * 70, rel=1e-4)


def test_a_true_law_covers_what_it_says(planted):
    data = People(planted.HANDS, 400)
    found = evaluate(planted, data)
    levels = found.credible_level[data.visibility > 0]
    for probability in (0.5, 0.8, 0.9, 0.95):
        error = 4 * math.sqrt(probability * (1 - probability) / len(levels))
        assert float((levels <= probability).float().mean()) == pytest.approx(probability, abs=error)
    entropy = (torch.tensor(SCALE).log().sum(-1) + math.log(2 * math.pi * math.e)).mean().item()
    summary = metrics.summarise(found)
    assert summary["NLL"] == pytest.approx(entropy, abs=0.12)
    assert summary["num_people"] == int((data.visibility > 0).any(1).sum())
    assert summary["coverage@90"] == pytest.approx(0.9, abs=0.04)


def test_standardised_errors_draws_and_label_draws_are_standard(planted):
    data = People(planted.HANDS, 400)
    found = evaluate(planted, data)
    labelled = int((data.visibility > 0).sum())
    assert len(found.errors) == 2 * labelled
    for values in (found.errors, found.error_draws, found.label_draws):
        assert len(values) <= 20_000
        assert float(values.mean()) == pytest.approx(0, abs=4 / math.sqrt(len(values)))
        assert float(values.std()) == pytest.approx(1, abs=0.08)
        assert float((values.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.03)
    assert evaluate(planted, People(planted.HANDS, 5, law=False)).label_draws is None


def test_evaluation_repeats_itself_and_leaves_the_random_state_alone(planted):
    data = People(planted.HANDS, 30)
    state = torch.get_rng_state()
    first = evaluate(planted, data, batch_size=7)
    assert (torch.get_rng_state() == state).all()
    torch.rand(3)
    assert (evaluate(planted, data, batch_size=7).error_draws == first.error_draws).all()
    # batches have draws of their own
    each = len(first.error_draws) // 5
    assert not torch.allclose(first.error_draws[:each][:20], first.error_draws[each:][:20])


def test_many_values_are_thinned(planted, monkeypatch):
    monkeypatch.setattr("poserior.inference.evaluate.VALUES", 500)
    found = evaluate(planted, People(planted.HANDS, 200, law=False, unlabelled=0.0))
    assert len(found.errors) == len(found.error_draws) == 500
    assert float(found.errors.std()) == pytest.approx(1, abs=0.1)


def test_the_flip_test_is_scored_as_the_mixture_it_is(planted):
    data = People(planted.HANDS, 20)
    found = evaluate(planted, data, flip_test=True)
    # In crop-normalised units: half N(loc, scale), half its mirror image with left and right exchanged.
    loc, scale = torch.tensor(LOC), torch.tensor(SCALE)
    mirror = torch.tensor([-1.0, 1.0])
    laws = [Independent(Normal(loc, scale), 1), Independent(Normal((loc * mirror)[[1, 0, 2]], scale[[1, 0, 2]]), 1)]
    label = (data.keypoints - torch.tensor([60.0, 50.0])) / torch.tensor([37.5, 50.0])
    expected = torch.stack([law.log_prob(label) for law in laws]).logsumexp(0) - math.log(2)
    labelled = data.visibility > 0
    torch.testing.assert_close(found.log_prob[labelled], expected[labelled], atol=2e-3, rtol=1e-3)


def test_another_number_of_keypoints_or_nobody_is_refused(planted):
    with pytest.raises(InputError, match=r"expected 3 keypoints \(hands.*found 2 in picture 0"):
        evaluate(planted, People(planted.HANDS, 3, keypoints=2))
    with pytest.raises(InputError, match="at least one"):
        evaluate(planted, People(planted.HANDS, 0))


KEEP = torch.tensor([True, False, True])
ZERO, WIDTHS = torch.zeros(3, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize("law", [Laplace(ZERO + 7, WIDTHS), Normal(ZERO - 2, WIDTHS), StudentT(5.0, ZERO, WIDTHS)])
def test_laws_with_a_variance_are_standardised_by_it(law):
    draws = standardised_draws(Independent(law, 1), KEEP, 5000)
    assert len(draws) == 5000 * 2 * 2
    assert float(draws.mean()) == pytest.approx(0, abs=0.04)
    assert float(draws.std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("freedom", [1.0, 2.0])
def test_heavy_tails_are_measured_without_a_variance(freedom):
    draws = standardised_draws(Independent(StudentT(freedom, ZERO + 7, WIDTHS), 1), KEEP, 3000)
    assert bool(draws.isfinite().all())
    quartiles = draws.quantile(torch.tensor([0.25, 0.5, 0.75]))
    assert float(quartiles[1]) == pytest.approx(0, abs=0.3)
    assert 0.05 < float(quartiles[2] - quartiles[0]) < 1.35  # a normal law's is 1.349: the tails take the rest


def test_a_confusion_of_left_and_right_has_two_humps():
    weights = torch.distributions.Categorical(torch.tensor([[0.7, 0.3]] * 3))
    sides = torch.stack([ZERO - 10, ZERO + 10], 1)
    law = MixtureSameFamily(weights, Independent(Normal(sides, 1.0), 1))
    draws = standardised_draws(law, KEEP, 4000)
    assert float(draws.std()) == pytest.approx(1, abs=0.03)
    assert float((draws > 0).float().mean()) == pytest.approx(0.3, abs=0.03)
