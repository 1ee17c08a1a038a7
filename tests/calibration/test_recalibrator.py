import numpy as np
import pytest
import torch
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from poserior.calibration import Recalibrator, cross_fit, cross_fit_people, picture_folds, picture_hash, pose_features
from poserior.calibration.pose_features import GROUP, LOG_AREA, SCORE, person_features
from poserior.calibration.recalibrator import PersonRecalibrator
from poserior.calibration.regressions import METHODS, Beta, Isotonic
from poserior.errors import InputError

EDGES = [(0, 1), (1, 2)]


def people(count=200, num_keypoints=3, seed=0):
    """Scores that promise too much for small people: right with probability ``score ** 2`` or ``sqrt(score)``."""
    rng = np.random.default_rng(seed)
    score = torch.tensor(rng.uniform(0.05, 0.95, (count, num_keypoints)))
    side = torch.tensor(rng.choice([20.0, 200.0], count))
    box = torch.stack([torch.zeros(count), torch.zeros(count), side, side], 1)
    points = torch.tensor(rng.uniform(0, 1, (count, num_keypoints, 2))) * side[:, None, None]
    truth = torch.where(side[:, None] < 100, score.square(), score.sqrt())
    right = (torch.tensor(rng.uniform(size=score.shape)) < truth).double()
    return pose_features(points, score, box, EDGES), right, truth


def test_features_of_a_pose_by_hand():
    points = torch.tensor([[[12.0, 20.0], [12.0, 24.0], [15.0, 28.0]]])
    box = torch.tensor([[10.0, 20.0, 14.0, 36.0]])  # 4 wide, 16 high: side 8
    table = pose_features(points, torch.tensor([[0.2, 0.4, 0.9]]), box, EDGES, torch.tensor([[7.0]]))[0].tolist()
    limbs = [4 / 8, 5 / 8]
    every = [np.log(4 / 16), 0.5, 0.2, *limbs, 0.2, 0.4, 0.9, 7.0]
    expected = [
        [0.2, np.log(64), 0, 0.5, 0.0, limbs[0], limbs[0], 0.4, *every],
        [0.4, np.log(64), 1, 0.5, 0.25, sum(limbs) / 2, limbs[1], 0.55, *every],
        [0.9, np.log(64), 2, 1.25, 0.5, limbs[1], limbs[1], 0.4, *every],
    ]
    assert np.allclose(table, expected, atol=1e-6)


def test_features_of_a_person_by_hand():
    confidence, visibility = torch.tensor([[0.9, 0.2, 0.6]]).double(), torch.tensor([[1.0, 0.5, 0.5]]).double()
    said = person_features(
        torch.tensor([0.5]).double(), confidence, visibility, torch.tensor([3.0]).double(), torch.tensor([[8.0]])
    )
    mean = (0.9 + 0.1 + 0.3) / 2
    assert said[0].tolist() == pytest.approx([0.5 * mean, 3, 0, 0.5, mean, 1.7 / 3, 2, 2, 8])


def test_a_degenerate_box_counts_as_one_pixel():
    table = pose_features(torch.zeros(5, 3, 2), torch.ones(5, 3), torch.zeros(5, 4), EDGES)
    assert table.isfinite().all()
    assert table[..., LOG_AREA].eq(0).all()


def test_isotonic_is_sklearns_in_every_group_and_third():
    rng = np.random.default_rng(0)
    table = np.zeros((360, 3))
    table[:, SCORE], table[:, LOG_AREA] = rng.uniform(size=360), rng.permutation(360)
    table[:, GROUP] = np.arange(360) % 2
    target = (rng.uniform(size=360) < table[:, SCORE]).astype(float)
    model = Isotonic()
    model.fit(table, target)
    rows = (table[:, GROUP] == 1) & (table[:, LOG_AREA] >= 240)
    expected = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(table[rows, SCORE], target[rows])
    assert model.predict(table)[rows] == pytest.approx(expected.predict(table[rows, SCORE]))
    # a group that was never seen takes everybody's curve
    pooled = IsotonicRegression(y_min=0, y_max=1).fit(table[:, SCORE], target)
    stranger = np.array([[0.4, 100.0, 7.0]])
    assert model.predict(stranger) == pytest.approx(pooled.predict([0.4]))


def test_beta_is_the_logistic_regression_of_both_logarithms():
    rng = np.random.default_rng(1)
    table = np.zeros((4000, 3))
    table[:, SCORE], table[:, LOG_AREA] = rng.uniform(0.02, 0.98, 4000), rng.normal(5, 1, 4000)
    logit = 1.5 * np.log(table[:, SCORE]) - 0.7 * np.log1p(-table[:, SCORE]) + 0.4 * (table[:, LOG_AREA] - 5) + 0.3
    target = (rng.uniform(size=4000) < 1 / (1 + np.exp(-logit))).astype(float)
    model = Beta()
    model.fit(table, target)
    inputs = np.stack([np.log(table[:, SCORE]), -np.log1p(-table[:, SCORE]), table[:, LOG_AREA]], 1)
    outside = LogisticRegression(C=1e6, max_iter=1000, tol=1e-8).fit(inputs, target)
    assert model.predict(table) == pytest.approx(outside.predict_proba(inputs)[:, 1], abs=2e-3)


def test_beta_never_falls_with_the_score():
    table = np.zeros((200, 3))
    table[:, SCORE] = np.linspace(0, 1, 200)
    model = Beta()
    model.fit(table, 1 - table[:, SCORE])  # a score that is worse than none
    said = model.predict(table)
    assert said == pytest.approx(np.full(200, 0.5), abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_expected_accuracy_is_found_for_small_and_large(method):
    table, right, truth = people(1500)
    labelled = torch.ones_like(right, dtype=torch.bool)
    model = Recalibrator(method).fit(table[:1000], right[:1000], labelled[:1000])
    said = model.confidence(table[1000:])
    assert ((said >= 0) & (said <= 1)).all()
    raw = (table[1000:, :, SCORE] - truth[1000:]).abs().mean()
    # isotonic's thirds of size and beta's one slope cannot be exact, the trees and the net have little data
    assert (said - truth[1000:]).abs().mean() < 0.6 * raw
    again = Recalibrator(method).fit(table[:1000], right[:1000], labelled[:1000]).confidence(table[1000:])
    assert torch.equal(said, again)


def test_visibility_is_the_share_of_labels():
    table, right, _ = people(400)
    labelled = torch.ones_like(right, dtype=torch.bool)
    labelled[::4, 1] = False
    said = Recalibrator("isotonic").fit(table, right, labelled).visibility(table).mean(0)
    assert said.tolist() == pytest.approx([1, 0.75, 1], abs=1e-6)


def test_folds_are_even_whole_pictures_and_always_the_same():
    image_id = [n // 3 for n in range(33)]
    fold = picture_folds(image_id, 4)
    assert sorted(fold.bincount().tolist()) == [6, 9, 9, 9]
    assert fold.view(11, 3).eq(fold.view(11, 3)[:, :1]).all()
    order = torch.randperm(33)
    assert torch.equal(picture_folds([image_id[i] for i in order], 4), fold[order])
    hashes = [picture_hash(n) for n in range(2000)]
    assert np.mean(hashes) == pytest.approx(0.5, abs=0.02)
    assert 0 <= min(hashes) < max(hashes) < 1


@pytest.mark.parametrize("method", ["isotonic", "beta"])
def test_ones_own_label_never_changes_ones_own_score(method):
    table, right, _ = people(240)
    image_id = [n // 2 for n in range(240)]
    labelled = torch.ones_like(right, dtype=torch.bool)
    extra, counted = torch.rand(240, 2).double(), torch.ones(240, dtype=torch.bool)

    def said(accuracy):
        return cross_fit_people(
            table, accuracy, labelled, table[:, 0, SCORE], extra, accuracy.mean(1), counted, image_id, method, 3
        )

    other = right.clone()
    other[10] = 1 - other[10]
    (before, score), (after, other_score) = said(right), said(other)
    fold = picture_folds(image_id, 3)
    same = fold == fold[10]
    assert torch.equal(before[same], after[same])
    assert torch.equal(score[same], other_score[same])
    assert not torch.equal(before[~same], after[~same])
    assert not torch.equal(score[~same], other_score[~same])


def test_cross_fit_is_the_model_of_the_others():
    table, right, _ = people(180)
    image_id, labelled = list(range(180)), torch.ones_like(right, dtype=torch.bool)
    fold = picture_folds(image_id, 3)
    said = cross_fit(table, right, labelled, image_id, "beta", 3)
    rest = fold != 1
    alone = Recalibrator("beta").fit(table[rest], right[rest], labelled[rest]).confidence(table[~rest])
    assert torch.equal(said[~rest], alone)


def test_false_detections_lower_the_score_of_their_like():
    features = torch.rand(400, 5).double()
    features[:, GROUP] = 0
    oks = torch.where(features[:, SCORE] > 0.5, 0.8, 0.0).double()
    said = PersonRecalibrator("isotonic").fit(features, oks).score(features)
    assert said.tolist() == pytest.approx(oks.tolist(), abs=0.02)


def test_what_cannot_be_fitted_is_refused():
    table, right, _ = people(60)
    labelled = torch.ones_like(right, dtype=torch.bool)
    with pytest.raises(InputError, match="at least 50 matched people to calibrate on, found 49"):
        Recalibrator().fit(table[:49], right[:49], labelled[:49])
    with pytest.raises(InputError, match="method among isotonic, beta, boosting, mlp, found 'svm'"):
        Recalibrator("svm")
    constant = table.clone()
    constant[..., SCORE] = 0.5
    with pytest.raises(InputError, match="scores that differ for the method isotonic"):
        Recalibrator("isotonic").fit(constant, right, labelled)
    assert Recalibrator("boosting").fit(constant, right, labelled).confidence(constant).isfinite().all()
    with pytest.raises(InputError, match="at least one picture per fold"):
        picture_folds([1, 1, 2], 3)
    with pytest.raises(InputError, match="at least 2 folds"):
        picture_folds([1, 2, 3], 1)
    counted = torch.ones(60, dtype=torch.bool)
    with pytest.raises(InputError, match=r"outside of any two of 5 folds \(about 84 in all\), found 36 of 60"):
        cross_fit_people(
            table, right, labelled, right[:, 0], right[:, :1], right.mean(1), counted, list(range(60)), "beta", 5
        )
