import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import brier_score_loss

from poserior.distributions import Gaussian
from poserior.metrics import coco_average_precision, evaluation_to_coco, ranking_frame, summarise
from poserior.skeletons import Skeleton
from poserior.structures import Evaluation

SIGMAS = (0.05, 0.1, 0.07)
SKELETON = Skeleton("three", ("head", "hand", "tail"), (), (), SIGMAS)
EACH = {
    *("OKS", "PCK@0.2", "EPE", "NLL", "coverage@50", "coverage@80", "coverage@90", "coverage@95"),
    *("pearson", "spearman", "AUSE", "AUSE_PCK", "AURC", "AURC_excess", "ECE", "confidence", "num_keypoints"),
    *("width@90", "needed_width@90", "Brier_visibility", "ECE_visibility"),
}
KEYS = EACH | {
    *("AP", "AP50", "AP75", "APM", "APL", "AR", "num_people", "per_keypoint"),
    *("pearson_instance", "spearman_instance", "AUSE_instance", "per_size"),
    *("AP_constant", "AP_random", "AP_oracle", "oracle_gap"),
}
ARRAYS = [
    *("keypoints", "confidence", "score", "target", "target_visibility", "area", "box_xyxy"),
    *("log_prob", "credible_level", "covariance", "visibility"),
]


def evaluation(n=6, density=True):
    """People of side 100 whose tail is never labelled; the last person is not labelled at all."""
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(n, 3, 2, generator=generator, dtype=torch.float64) * 100
    noise = torch.randn(n, 3, 2, generator=generator, dtype=torch.float64) * 8
    visibility = torch.tensor([[2, 1, 0]]).repeat(n, 1)
    visibility[0, 1] = 0
    visibility[-1] = 0
    confidence = torch.rand(n, 3, generator=generator, dtype=torch.float64)
    law = Gaussian(target + noise, torch.full((n, 3, 2), 8.0, dtype=torch.float64))
    junk = torch.where(visibility > 0, 0.0, torch.nan)
    return Evaluation(
        name="test",
        skeleton=SKELETON,
        image_id=tuple(range(n)),
        annotation_id=tuple(range(1, n + 1)),
        keypoints=target + noise,
        confidence=confidence,
        score=confidence.mean(1),
        target=target + junk[..., None],
        target_visibility=visibility,
        area=torch.full((n,), 5000.0, dtype=torch.float64),
        box_xyxy=torch.tensor([[10.0, 0.0, 60.0, 100.0]], dtype=torch.float64).repeat(n, 1),
        log_prob=law.log_prob(target) + junk if density else None,
        credible_level=law.credible_level(target) + junk if density else None,
        covariance=torch.diag_embed(torch.full((n, 3, 2), 64.0, dtype=torch.float64)) if density else None,
        visibility=torch.rand(n, 3, generator=generator, dtype=torch.float64) if density else None,
    )


def truth(people):
    """Errors and OKS of the labelled keypoints, in numpy."""
    labelled = (people.target_visibility > 0).numpy()
    distance = np.linalg.norm((people.keypoints - people.target).numpy(), axis=-1)
    return labelled, distance, np.exp(-(distance**2) / (2 * 5000 * (2 * np.array(SIGMAS)) ** 2))


def test_keys_and_json():
    summary = summarise(evaluation())
    assert set(summary) == KEYS
    assert list(summary["per_keypoint"]) == ["head", "hand", "tail"]
    for values in summary["per_keypoint"].values():
        assert set(values) == EACH
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_values_by_numpy_and_scipy():
    people = evaluation()
    summary = summarise(people)
    labelled, distance, similarity = truth(people)
    confidence = people.confidence.numpy()
    assert summary["EPE"] == pytest.approx(distance[labelled].mean())
    assert summary["PCK@0.2"] == pytest.approx((distance[labelled] <= 20).mean())
    assert summary["NLL"] == pytest.approx(-people.log_prob.numpy()[labelled].mean())
    assert summary["coverage@80"] == pytest.approx((people.credible_level.numpy()[labelled] <= 0.8).mean())
    assert summary["pearson"] == pytest.approx(stats.pearsonr(confidence[labelled], similarity[labelled]).statistic)
    assert summary["spearman"] == pytest.approx(stats.spearmanr(confidence[labelled], similarity[labelled]).statistic)
    each = [similarity[n][labelled[n]].mean() for n in range(5)]
    assert summary["OKS"] == pytest.approx(np.mean(each))
    assert summary["pearson_instance"] == pytest.approx(stats.pearsonr(people.score[:5], each).statistic)
    order = np.argsort(confidence[labelled])
    errors = 1 - similarity[labelled]
    curves = [errors[order[i:]].mean() - np.sort(errors)[: len(errors) - i].mean() for i in range(len(errors))]
    assert summary["AUSE"] == pytest.approx(np.mean(curves))
    assert (summary["num_people"], summary["num_keypoints"]) == (5, 9)
    annotations, results = evaluation_to_coco(people)
    precision = coco_average_precision(results, annotations, SIGMAS)
    assert summary["AP"] == precision["AP"]
    assert summary["APL"] is None
    assert 0 < summary["APM"] <= 1


def test_values_of_each_keypoint():
    people = evaluation()
    summary = summarise(people)["per_keypoint"]
    _, distance, similarity = truth(people)
    assert summary["head"]["EPE"] == pytest.approx(distance[:5, 0].mean())
    assert summary["hand"]["EPE"] == pytest.approx(distance[1:5, 1].mean())
    assert summary["hand"]["OKS"] == pytest.approx(similarity[1:5, 1].mean())
    assert summary["hand"]["confidence"] == pytest.approx(people.confidence[1:5, 1].mean().item())
    assert summary["head"]["num_keypoints"] == 5
    tail = summary["tail"]
    assert tail.pop("num_keypoints") == 0
    seen = people.visibility[:5, 2]  # never labelled, which is what a probability can be right about
    assert tail.pop("Brier_visibility") == pytest.approx(seen.square().mean().item())
    assert tail.pop("ECE_visibility") == pytest.approx(seen.mean().item())
    assert set(tail.values()) == {None}


def test_a_bare_results_file_has_no_density():
    summary = summarise(evaluation(density=False))
    without = ["NLL", "coverage@50", "coverage@80", "coverage@90", "coverage@95", "width@90", "needed_width@90"]
    without += ["Brier_visibility", "ECE_visibility"]
    assert all(summary[key] is None and summary["per_keypoint"]["head"][key] is None for key in without)
    assert summary["EPE"] == summarise(evaluation())["EPE"]


def test_constant_confidence_correlates_with_nothing():
    people = evaluation()
    flat = replace(people, confidence=torch.full_like(people.confidence, 0.5), score=torch.ones_like(people.score))
    summary = summarise(flat)
    assert summary["pearson"] is summary["spearman"] is summary["pearson_instance"] is None
    assert math.isfinite(summary["AUSE"])
    assert math.isfinite(summary["AP"])


def test_nobody_is_no_error():
    people = evaluation()
    nobody = Evaluation(
        name="nobody",
        skeleton=SKELETON,
        image_id=(),
        annotation_id=(),
        **{key: getattr(people, key)[:0] for key in ARRAYS},
    )
    summary = summarise(nobody)
    assert (summary.pop("num_people"), summary.pop("num_keypoints")) == (0, 0)
    assert summary.pop("per_keypoint")["head"]["EPE"] is None
    assert summary.pop("per_size") == {}
    assert set(summary.values()) == {None}


def test_precision_of_a_given_file_counts_its_false_alarms():
    people = evaluation()
    annotations, results = evaluation_to_coco(people)
    alarms = [entry | {"score": 2.0, "keypoints": [9e3] * 9} for entry in results]
    summary = summarise(people, [*results, *alarms], annotations)
    assert 0 < summary["AP"] < summarise(people)["AP"]
    assert summary["EPE"] == summarise(people)["EPE"]
    with pytest.raises(ValueError, match="expected results and annotations together"):
        summarise(people, results=results)


def test_single_precision_and_double_agree():
    people = evaluation()
    single = {k: v.float() for k, v in vars(people).items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    ours, expected = summarise(replace(people, **single)), summarise(people)
    assert ours.pop("APL") is expected.pop("APL") is None
    for key in KEYS - {"per_keypoint", "per_size", "APL"}:
        assert ours[key] == pytest.approx(expected[key], rel=2e-4)


def test_foreign_scores_need_not_be_probabilities():
    people = evaluation(density=False)
    summary = summarise(replace(people, confidence=3 * people.confidence, score=people.score - 7))
    expected = summarise(people)
    assert summary["ECE"] is None
    for key in ("AP", "pearson", "spearman_instance", "AUSE"):
        assert summary[key] == pytest.approx(expected[key])


def test_confidence_that_is_no_number_is_none():
    people = evaluation()
    summary = summarise(replace(people, confidence=torch.full_like(people.confidence, torch.nan)))
    undefined = ("pearson", "spearman", "AUSE", "AUSE_PCK", "AURC", "AURC_excess", "ECE", "confidence")
    assert {summary[key] for key in undefined} == {None}
    assert math.isfinite(summary["EPE"])


def test_what_confidence_visibility_and_width_are_worth():
    people = evaluation()
    summary = summarise(people)
    labelled, distance, similarity = truth(people)
    sure = people.confidence.numpy()[labelled]
    order = np.argsort(-sure)
    count = np.arange(1, labelled.sum() + 1)
    wrong = (similarity[labelled] < 0.5).astype(float)
    assert 0 < wrong.mean() < 1
    risk, best = (np.mean(np.cumsum(curve) / count) for curve in (wrong[order], np.sort(wrong)))
    assert summary["AURC"] == pytest.approx(risk)
    assert summary["AURC_excess"] == pytest.approx(risk - best)
    far = (distance[labelled] > 20).astype(float)
    by_confidence, by_oracle = (np.mean(np.cumsum(curve) / count) for curve in (far[order], np.sort(far)))
    assert summary["AUSE_PCK"] == pytest.approx(by_confidence - by_oracle)
    radius = stats.chi2(2).ppf(0.9) ** 0.5
    assert summary["width@90"] == pytest.approx(2 * 8 * radius)  # the spread is 8 px along both axes
    # the ninth of nine labels is the first that makes it 90 %
    assert summary["needed_width@90"] == pytest.approx(2 * distance[labelled].max())
    seen, answer = labelled[:5].ravel(), people.visibility[:5].numpy().ravel()
    assert summary["Brier_visibility"] == pytest.approx(brier_score_loss(seen, answer))
    annotations, results = evaluation_to_coco(people)
    for key, value in ranking_frame(results, annotations, SIGMAS).items():
        assert summary[key] == value
    assert summary["oracle_gap"] == pytest.approx(summary["AP_oracle"] - summary["AP"])


def test_sizes_are_measured_apart():
    people = evaluation(n=8)
    people = replace(people, area=torch.arange(8, dtype=torch.float64) * 1000 + 4000)
    summary = summarise(people)["per_size"]
    assert [values["num_keypoints"] for values in summary.values()] == [5, 4, 4]
    assert summary["small"]["size"] == pytest.approx([4000**0.5, 6000**0.5])
    _, distance, _ = truth(people)
    assert summary["large"]["EPE"] == pytest.approx(distance[5:7, :2].mean())
    assert summary["small"]["OKS"] != summary["large"]["OKS"]


def test_wider_regions_from_the_record_are_used():
    people = evaluation()
    wide = replace(people, ellipse_radius=torch.full((6, 3), 5.0, dtype=torch.float64))
    ours, expected = summarise(wide), summarise(people)
    assert ours["width@90"] == pytest.approx(2 * 8 * 5)
    assert ours["needed_width@90"] == pytest.approx(expected["needed_width@90"])
