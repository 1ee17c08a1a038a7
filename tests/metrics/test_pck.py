from inspect import unwrap

import numpy as np
import pytest
import torch

from poserior.metrics import PercentageCorrectKeypoints, auc, pck, pck_per_keypoint, pckh
from poserior.metrics.pck import _relative

# distances 1, 2 | 3, (4 not labelled) | 10, 0 in people of size 10, 20, 40: relative .1, .2 | .15, - | .25, 0
PREDS = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [0.0, 4.0]], [[6.0, 8.0], [0.0, 0.0]]])
TARGET = torch.zeros(3, 2, 2)
SIZE = torch.tensor([10.0, 20.0, 40.0])
VISIBILITY = torch.tensor([[2, 1], [2, 0], [1, 2]])


@pytest.mark.parametrize(
    ("threshold", "share"), [(0.05, 1 / 5), (0.1, 2 / 5), (0.15, 3 / 5), (0.2, 4 / 5), (0.24, 4 / 5), (0.25, 1.0)]
)
def test_by_hand_with_the_border_included(threshold, share):
    assert pck(PREDS, TARGET, SIZE, VISIBILITY, threshold).item() == pytest.approx(share)
    assert pckh(PREDS, TARGET, SIZE, VISIBILITY, threshold).item() == pytest.approx(share)


def test_per_keypoint_by_hand():
    assert pck_per_keypoint(PREDS, TARGET, SIZE, VISIBILITY, 0.15).tolist() == pytest.approx([2 / 3, 1 / 2])
    never = torch.tensor([[1, 0], [1, 0], [1, 0]])
    assert pck_per_keypoint(PREDS, TARGET, SIZE, never, 0.15)[1].isnan()


def test_unlabelled_places_and_their_sizes_do_not_count():
    size = torch.tensor([10.0, torch.nan, 40.0])
    target = TARGET.clone()
    target[1] = torch.nan
    nobody = torch.tensor([[2, 1], [0, 0], [1, 2]])
    assert pck(PREDS, target, size, nobody, 0.2).item() == pytest.approx(3 / 4)


def test_a_prediction_that_is_no_number_is_wrong():
    preds = PREDS.clone()
    preds[2, 1] = torch.nan
    assert pck(preds, TARGET, SIZE, VISIBILITY, 0.2).item() == pytest.approx(3 / 5)
    assert auc(preds, TARGET, SIZE, VISIBILITY, 0.5).item() == pytest.approx((0.8 + 0.6 + 0.7 + 0.5 + 0) / 5)


def test_auc_is_the_mean_of_pck_over_the_thresholds():
    assert auc(PREDS, TARGET, SIZE, VISIBILITY, 0.5).item() == pytest.approx((0.8 + 0.6 + 0.7 + 0.5 + 1) / 5)
    grid = [pck(PREDS, TARGET, SIZE, VISIBILITY, 0.2 * (i + 0.5) / 500).item() for i in range(500)]
    assert auc(PREDS, TARGET, SIZE, VISIBILITY, 0.2).item() == pytest.approx(np.mean(grid), abs=1e-3)


def test_class_gives_the_function_over_batches():
    metric = PercentageCorrectKeypoints(threshold=0.15)
    metric.update(PREDS[:1], TARGET[:1], SIZE[:1], VISIBILITY[:1])
    metric.update(PREDS[1:], TARGET[1:], SIZE[1:], VISIBILITY[1:])
    assert metric.compute().item() == pytest.approx(3 / 5)


def test_errors_teach():
    with pytest.raises(ValueError, match=r"expected positive sizes of all people with labelled keypoints, found 0\.0"):
        pck(PREDS, TARGET, torch.tensor([10.0, 0.0, 40.0]), VISIBILITY)
    with pytest.raises(ValueError, match=r"expected size of shape \(3,\) \(people\), found \(2,\)"):
        unwrap(_relative)(PREDS, TARGET, SIZE[:2], VISIBILITY)


@pytest.mark.parametrize(
    ("name", "at_half", "at_tenth"), [("pred_hourglass", 88.04, 28.70), ("pred_other", 82.32, 28.91)]
)
def test_known_scores_of_two_real_methods_on_mpii(real_data, name, at_half, at_tenth):
    arrays = np.load(real_data("mpii_valid/mpii_valid.npz"))
    keep = [k for k, joint in enumerate(arrays["joint_names"]) if joint not in ("pelvis", "thorax")]
    preds, target, labelled = (torch.from_numpy(arrays[key][:, keep]) for key in (name, "joints", "labelled"))
    head_size = torch.from_numpy(arrays["head_size"])
    assert round(100 * pckh(preds, target, head_size, labelled).item(), 2) == at_half
    assert round(100 * pckh(preds, target, head_size, labelled, 0.1).item(), 2) == at_tenth
