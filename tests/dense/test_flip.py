from dataclasses import replace

import numpy as np
import pytest
import torch

from poserior.dense.decode import candidates
from poserior.dense.flip import flip_candidates, fused_maps, mirrored_cell, mirrored_density
from poserior.dense.heads import DenseFixed, DenseMixture
from poserior.dense.predictor import DensePredictor
from poserior.scenes import Maps
from tests.dense.small_models import HANDS, picture, small_model

ORDER = list(HANDS.flip_indices)


def heads(points):
    factors = HANDS.oks_sigmas if points else (1.0,)
    torch.manual_seed(1)
    return {
        "fixed": DenseFixed(6, factors, channels=7),
        "mixture": DenseMixture(6, factors, components=3, channels=7),
        "full": DenseMixture(6, factors, components=4, covariance="full", channels=7),
    }


def mirrored(points, width):
    points = points.clone()
    points[..., 0] = width - points[..., 0]
    return points


@pytest.mark.parametrize(
    ("kind", "how", "refine"),
    [
        ("fixed", "match", True),
        ("fixed", "average", False),
        ("mixture", "match", True),
        ("mixture", "match", False),
        ("mixture", "mixture", True),
        ("mixture", "average", False),
        ("full", "match", False),
        ("full", "mixture", True),
    ],
)
def test_a_mirrored_picture_has_the_mirrored_answer(kind, how, refine):
    """Whatever the network says, and though nothing about it is symmetric."""
    model, spec = small_model(heads(True)[kind], refine=refine)
    options = {"threshold": 0.0, "count": 9, "device": "cpu", "image_size": "original" if refine else None}
    predictor = DensePredictor(model, spec, flip_test=True, fusion=how, **options)
    images = [
        picture(45, 70),
        picture(50, 33, 1),
    ]  # their zoom, 0.8, is one whose resampling rounds alike from both ends
    plain, other = predictor(images), predictor([np.ascontiguousarray(image[:, ::-1]) for image in images])
    for image, people, reversed_people in zip(images, plain, other, strict=True):
        assert len(people) == len(reversed_people) > 4
        for person, twin in zip(people, reversed_people, strict=True):
            back = mirrored(twin.keypoints[ORDER], image.shape[1])
            assert torch.allclose(back, person.keypoints, atol=2e-3)
            assert person.score == pytest.approx(twin.score, abs=1e-5)
            assert torch.allclose(twin.confidence[ORDER], person.confidence, atol=1e-4)
            assert torch.allclose(twin.visibility[ORDER], person.visibility, atol=1e-4)
            assert torch.allclose(mirrored(twin.box_xyxy.view(2, 2), image.shape[1])[:, 0].flip(0),
                                  person.box_xyxy.view(2, 2)[:, 0], atol=2e-3)  # fmt: skip
            sign = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
            assert torch.allclose(twin.covariance[ORDER] * sign, person.covariance, atol=1e-2, rtol=1e-3)
    # without the flip test the network's own answers differ
    alone = DensePredictor(model, spec, **options)
    assert alone(images)[0][0].score != pytest.approx(alone([images[0][:, ::-1]])[0][0].score, abs=1e-5)


@pytest.mark.parametrize("kind", ["fixed", "mixture", "full"])
def test_a_mirrored_picture_has_mirrored_boxes_of_the_same_size(kind):
    model, spec = small_model(heads(False)[kind], skeleton=None, categories=3)
    predictor = DensePredictor(model, spec, flip_test=True, threshold=0.0, count=8, device="cpu")
    image = picture(45, 70)
    for box, twin in zip(predictor([image])[0], predictor([image[:, ::-1]])[0], strict=True):
        x0, y0, x1, y1 = twin.box_xyxy.tolist()
        assert box.box_xyxy.tolist() == pytest.approx([70 - x1, y0, 70 - x0, y1], abs=2e-3)
        assert torch.allclose(box.size_covariance, twin.size_covariance, atol=1e-2, rtol=1e-3)
        assert (box.category, box.expected_iou) == (twin.category, pytest.approx(twin.expected_iou, abs=1e-4))


def symmetric(model):
    """The network that says of a mirrored picture the mirrored maps: an unsymmetric one's mean with its own twin."""
    ask = model.predict

    def predict(images):
        one, two = ask(images), ask(images.flip(-1))
        twin = two.density.flip(-1).unflatten(1, (len(ORDER), 2))[:, ORDER] * torch.tensor([-1.0, 1.0])[:, None, None]
        return replace(fused_maps(one, two, ORDER), density=(one.density + twin.flatten(1, 2)) / 2)

    model.predict = predict
    return model


def test_the_flip_test_of_a_symmetric_network_changes_nothing():
    model = symmetric(small_model(heads(True)["fixed"])[0])
    images = torch.rand(2, 3, 40, 56)
    with torch.no_grad():
        alone = candidates(model.predict(images), model.head, 7)
        both, _ = flip_candidates(model, images, ORDER, 7)
    assert torch.equal(alone.cell, both.cell)
    for name in ("score", "centre", "size", "points"):
        assert torch.allclose(getattr(alone, name), getattr(both, name), atol=1e-4), name
    assert torch.allclose(alone.density.covariance, both.density.covariance, atol=1e-4)


def test_maps_by_hand():
    """2 keypoints that swap, a grid of 1 x 3: probabilities are averaged, x offsets change sign."""
    probability = torch.tensor([[0.2, 0.5, 0.9]])
    heat = torch.stack([probability, 1 - probability])[None]
    offset = torch.tensor([[[[0.5, 0.0, 0.25]], [[1.0, 2.0, 3.0]]]])
    one = Maps(heat[:, :1].logit(), offset, torch.zeros(1, 4, 1, 3), offset + 1, heat.logit(), offset)
    two = Maps(heat[:, 1:].logit(), offset, torch.ones(1, 4, 1, 3), offset, heat.logit(), offset)
    found = fused_maps(one, two, (1, 0))
    # the mirror image's centres: 0.8 0.5 0.1, from the right 0.1 0.5 0.8
    assert found.centre.sigmoid().flatten().tolist() == pytest.approx([0.15, 0.5, 0.85])
    assert found.offset[0, 0].flatten().tolist() == pytest.approx([0.125, 0.0, -0.125])
    assert found.offset[0, 1].flatten().tolist() == pytest.approx([2.0, 2.0, 2.0])
    assert found.size[0, 0].flatten().tolist() == pytest.approx([0.875, 0.5, 0.875])
    assert found.keypoint_heat.sigmoid()[0, 0].flatten().tolist() == pytest.approx([0.15, 0.5, 0.85])
    assert found.density.sum() == 0


def test_probabilities_near_0_and_1_stay():
    extreme = Maps(torch.tensor([[[[-80.0, 60.0]]]]), torch.zeros(1, 2, 1, 2), torch.zeros(1, 2, 1, 2))
    found = fused_maps(extreme, extreme, ()).centre
    assert found.flatten().tolist() == pytest.approx([0.0, 0.0], abs=1e-6)  # the means of 0 and 1, and of 1 and 0
    same = Maps(extreme.centre.flip(-1), extreme.offset, extreme.density)
    assert fused_maps(extreme, same, ()).centre.flatten().tolist() == pytest.approx([-80, 60])


def test_cells_and_densities_in_the_mirror():
    cells = torch.arange(12).view(3, 4)
    assert torch.equal(mirrored_cell(cells, 4), cells.flip(1))
    raw = torch.randn(2, 3, heads(True)["mixture"](torch.zeros(1, 6, 1, 1)).shape[1])
    law = heads(True)["mixture"].density(raw)
    twin = mirrored_density(law, ORDER)
    points = torch.randn(2, 3, 5, 2)
    there = (points * torch.tensor([-1.0, 1.0]))[:, :, ORDER]
    assert torch.allclose(twin.log_prob(there), law.log_prob(points)[..., ORDER], atol=1e-4)
    assert torch.allclose(twin.pose.log_prob(there), law.pose.log_prob(points), atol=1e-3)
