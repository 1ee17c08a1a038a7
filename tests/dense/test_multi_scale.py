import math

import numpy as np
import pytest
import torch

from poserior.dense.canvas import plan, shown
from poserior.dense.found import Found
from poserior.dense.heads import DenseMixture
from poserior.dense.multi_scale import merge
from poserior.dense.predictor import DensePredictor
from poserior.distributions import Gaussian
from tests.dense.small_models import HANDS, picture, small_model


def found(boxes, scores, categories):
    """One picture's candidates in the second row of a batch of two."""
    boxes, score = torch.tensor(boxes), torch.tensor(scores)
    count = len(score)
    both = {name: torch.stack([torch.zeros_like(part), part]) for name, part in (("b", boxes), ("s", score))}
    nothing = torch.zeros(2, count, 1, 2)
    return Found(
        score=both["s"],
        centre_score=both["s"],
        category=torch.tensor([categories, categories]),
        component=torch.zeros(2, count, dtype=torch.int64),
        box_xyxy=both["b"],
        points=nothing,
        confidence=nothing[..., 0],
        visibility=nothing[..., 0],
        covariance=torch.eye(2).expand(2, count, 1, 2, 2),
        weights=torch.ones(2, count, 1),
        modes=nothing[:, :, None],
        law=Gaussian(nothing, nothing + 1),
    )


def test_lists_are_joined_and_what_two_scales_found_counts_once():
    box, near, far = [0.0, 0.0, 3.0, 1.0], [1.0, 0.0, 4.0, 1.0], [50.0, 50.0, 60.0, 60.0]
    small = found([box, far], [0.8, 0.3], [0, 0])
    large = found([near, box, far], [0.6, 0.5, 0.2], [0, 1, 0])
    everything = merge([(small, 1), (large, 1)], None, 100, 0.0)
    assert list(zip(everything.source.tolist(), everything.place.tolist(), strict=True)) == [
        (0, 0), (1, 0), (1, 1), (0, 1), (1, 2)
    ]  # fmt: skip
    soft = merge([(small, 1), (large, 1)], "gaussian", 100, 0.0)
    assert list(zip(soft.source.tolist(), soft.place.tolist(), strict=True)) == [(0, 0), (1, 1), (1, 0), (0, 1), (1, 2)]
    # IoU 1/2 with a better one of the category; another category; IoU 1 with the far one
    expected = [0.8, 0.5, 0.6 * math.exp(-0.5), 0.3, 0.2 * math.exp(-2)]
    assert soft.score.tolist() == pytest.approx(expected)
    assert len(merge([(small, 1), (large, 1)], "gaussian", 2, 0.0).score) == 2
    assert merge([(small, 1), (large, 1)], "gaussian", 9, 0.25).score.tolist() == pytest.approx(expected[:4])
    assert len(merge([(small, 0), (large, 0)], "gaussian", 9, 0.0).score) == 0  # nothing scores 0 and is found


@pytest.mark.parametrize("target", [(64, 96), None])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (50, 200), (333, 41), (7, 3000)])
@pytest.mark.parametrize("scale", [0.5, 1, 1.25])
def test_every_picture_fits_its_canvas(size, target, scale):
    how = plan(size, target, scale, 32)
    assert all(side % 32 == 0 and side > 0 for side in how.canvas)
    pixels, shift = shown(np.full((*size, 3), 255, np.uint8), how)
    assert pixels.shape == (*how.canvas, 3)
    assert (shift >= -1e-6).all()  # nothing is cut off
    assert shift * 2 + how.zoom * np.array(size[::-1]) == pytest.approx(how.canvas[::-1])
    if target is None:
        assert how.zoom == scale
    if min(size) * how.zoom > 2:  # thinner than a pixel there is no white left
        assert pixels.max() > 240


def test_a_scale_is_the_same_as_a_larger_picture():
    """Twice the scale of a picture is the picture with its pixels doubled, at scale 1: same cells, other pixels."""
    torch.manual_seed(1)
    model, spec = small_model(DenseMixture(6, HANDS.oks_sigmas, channels=7))
    options = {"threshold": 0.0, "count": 5, "image_size": "original", "device": "cpu"}
    flat = np.zeros((16, 24, 3), np.uint8)  # black as the canvas: resampling has nothing to interpolate
    double = DensePredictor(model, spec, scales=(2,), **options)([flat])[0]
    large = DensePredictor(model, spec, **options)([flat.repeat(2, 0).repeat(2, 1)])[0]
    assert len(double) == len(large) > 1
    for small, big in zip(double, large, strict=True):
        assert torch.allclose(2 * small.keypoints, big.keypoints, atol=1e-3)
        assert torch.allclose(2 * small.box_xyxy, big.box_xyxy, atol=1e-3)
        assert torch.allclose(4 * small.covariance, big.covariance, rtol=1e-4)
        assert small.score == pytest.approx(big.score, abs=1e-6)


def test_several_scales_suppress_what_they_find_twice():
    torch.manual_seed(1)
    model, spec = small_model(DenseMixture(6, HANDS.oks_sigmas, channels=7))
    image, options = picture(45, 70), {"threshold": 0.0, "count": 40, "device": "cpu"}
    each = [DensePredictor(model, spec, scales=(s,), **options)([image])[0] for s in (0.5, 1.5)]
    plain = DensePredictor(model, spec, scales=(0.5, 1.5), nms="none", **options)([image])[0]
    together = sorted((person.score for people in each for person in people), reverse=True)[:40]
    assert [person.score for person in plain] == pytest.approx(together)
    soft = DensePredictor(model, spec, scales=(0.5, 1.5), **options)([image])[0]
    assert soft[0].score == pytest.approx(plain[0].score)
    assert sum(person.score for person in soft) < 0.9 * sum(together)
