import math
from inspect import unwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.cocoeval import COCOeval

from poserior import skeletons
from poserior.metrics import ObjectKeypointSimilarity, keypoint_oks, oks

SIGMAS = (0.03, 0.1, 0.07)


def people(n=5, k=3, seed=0):
    """Predictions, labels, areas, visibility; the last person has no label."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(n, k, 2, generator=generator, dtype=torch.float64) * 200
    preds = target + torch.randn(n, k, 2, generator=generator, dtype=torch.float64) * 6
    area = torch.rand(n, generator=generator, dtype=torch.float64) * 9000 + 100
    visibility = torch.randint(0, 3, (n, k), generator=generator)
    visibility[:, 0] = 2
    visibility[-1] = 0
    return preds, target, area, visibility


def coco_oks(preds, target, area, visibility, sigmas):
    """OKS of one person by pycocotools."""
    evaluation = COCOeval(iouType="keypoints")
    evaluation.params.kpt_oks_sigmas = np.asarray(sigmas)
    truth = torch.cat([target, visibility[:, None].double()], 1).flatten().tolist()
    found = torch.cat([preds, torch.ones_like(preds[:, :1])], 1).flatten().tolist()
    evaluation._gts = {(1, 1): [{"keypoints": truth, "area": float(area), "bbox": [0, 0, 9, 9]}]}
    evaluation._dts = {(1, 1): [{"keypoints": found, "score": 1.0}]}
    return evaluation.computeOks(1, 1)[0, 0]


def test_equals_pycocotools():
    preds, target, area, visibility = people(n=9)
    ours = oks(preds, target, area, SIGMAS, visibility)
    theirs = [coco_oks(*person, SIGMAS) for person in zip(preds, target, area, visibility, strict=True)][:-1]
    assert ours[:-1].tolist() == pytest.approx(theirs, abs=1e-14)
    assert 0 < min(theirs) < max(theirs) < 1
    assert max(theirs) - min(theirs) > 0.3


def test_equals_pycocotools_on_an_object_without_area():
    target = torch.zeros(2, 1, 2, dtype=torch.float64)
    preds = target + torch.tensor([[[0.0, 0.0]], [[1e-9, 0.0]]])
    ours = oks(preds, target, torch.zeros(2, dtype=torch.float64), [0.1], torch.ones(2, 1, dtype=torch.int64))
    theirs = [coco_oks(preds[n], target[n], 0.0, torch.ones(1), [0.1]) for n in range(2)]
    assert ours.tolist() == pytest.approx(theirs, abs=1e-14)


def test_by_hand_at_one_width():
    # l = 2 sigma sqrt(area) = 2 * .107 * 50 = 10.7 pixels away: exp(-1/2)
    sigmas = skeletons.load("coco17").oks_sigmas
    target = torch.zeros(1, 17, 2)
    preds = target.clone()
    preds[0, 11] = torch.tensor([0.0, 10.7])
    visibility = torch.zeros(1, 17, dtype=torch.int64)
    visibility[0, [0, 11]] = torch.tensor([1, 2])
    each = keypoint_oks(preds, target, torch.tensor([2500.0]), sigmas, visibility)
    assert each[0, 11].item() == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert oks(preds, target, torch.tensor([2500.0]), sigmas, visibility).item() == pytest.approx(
        (1 + math.exp(-0.5)) / 2
    )
    assert each[0, 1].isnan()


def test_a_person_without_labels_has_no_oks():
    assert oks(*people()[:3], SIGMAS, people()[3])[-1].isnan()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([torch.nan, torch.inf, -1e30, 0.0]), st.integers(0, 99))
def test_what_is_not_labelled_has_no_influence(junk, seed):
    preds, target, area, visibility = people(seed=seed)
    hidden = visibility == 0
    expected = oks(preds, target, area, SIGMAS, visibility)
    preds[hidden], target[hidden] = junk, -junk
    torch.testing.assert_close(oks(preds, target, area, SIGMAS, visibility), expected, equal_nan=True, rtol=0, atol=0)


def test_class_gives_the_function_over_batches():
    preds, target, area, visibility = people(n=7)
    metric = ObjectKeypointSimilarity(SIGMAS)
    for part in (slice(0, 2), slice(2, 7)):
        metric.update(preds[part], target[part], area[part], visibility[part])
    expected = oks(preds, target, area, SIGMAS, visibility)[:-1].mean()
    assert metric.compute().item() == pytest.approx(expected.item(), abs=1e-15)


def test_errors_teach():
    preds, target, area, visibility = people()
    with pytest.raises(ValueError, match=r"expected areas of 0 or more, found -1\.0"):
        oks(preds, target, area.clone().fill_(-1), SIGMAS, visibility)
    function = unwrap(keypoint_oks)
    with pytest.raises(ValueError, match=r"expected oks_sigmas of shape \(3,\) \(keypoints\), found \(2,\)"):
        function(preds, target, area, SIGMAS[:2], visibility)
    with pytest.raises(ValueError, match=r"expected area of shape \(5,\) \(people\), found \(5, 1\)"):
        function(preds, target, area[:, None], SIGMAS, visibility)
