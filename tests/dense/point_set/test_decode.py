from collections.abc import Callable
from types import MethodType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from poserior.backbones.dense_base import DenseBackbone
from poserior.calibration import expected_oks
from poserior.dense.point_set import (
    AnchorGrid,
    AnchorL1,
    AnchorMaps,
    PointSetModel,
    Stage,
    anchor_set,
    different,
    find_people,
)
from poserior.metrics import oks_nms
from poserior.skeletons import Skeleton

SKELETON = Skeleton("three", ("top", "left_foot", "right_foot"), (), (("left_foot", "right_foot"),), (0.1, 0.1, 0.05))
POSE = torch.tensor([[[0.0, -0.5], [0.25, 0.5], [-0.25, 0.5]]])
Backbones = Callable[..., DenseBackbone]


def planted(tiny: Backbones, index: Tensor, logit: Tensor, offset: Tensor) -> PointSetModel:
    """A network that says: anchors `index` (B, S) stand on people, whose keypoints are `offset` (B, S, K, 2) away."""
    model = PointSetModel(tiny(), anchor_set(POSE, [3.0, 4.5]), [AnchorL1(3)], SKELETON.oks_sigmas, levels=2)
    model.laws[0].spread.fill_(0.02)
    maps = model(torch.zeros(len(index), 3, 48, 64))[0]
    logits = torch.full_like(maps.logits, -9.0).scatter(1, index, logit)
    everywhere = torch.zeros(*logits.shape, 3, 2)
    everywhere[torch.arange(len(index))[:, None], index] = offset

    def forward(_: PointSetModel, images: Tensor) -> list[AnchorMaps]:
        assert images.shape == (len(index), 3, 48, 64)
        return [AnchorMaps(logits, maps.levels, maps.grid)]

    def at(self: PointSetModel, maps: AnchorMaps, index: Tensor) -> list[Stage]:
        places = maps.grid.places(index)
        raw = everywhere[torch.arange(len(index))[:, None], index]
        return [Stage(self._laws()[0].density(raw), places.points, places.size)]

    model.forward, model.at = MethodType(forward, model), MethodType(at, model)
    return model.eval()


def test_planted_outputs_give_the_planted_people_in_the_original_picture(tiny: Backbones) -> None:
    index = torch.tensor([[2 * 16 + 5, 192 + 8 * 16 + 11], [384 + 3 * 8 + 2, 7]])
    logit = torch.tensor([[2.0, 1.0], [0.5, -9.0]])
    offset = 0.1 * torch.randn(2, 2, 3, 2)
    model = planted(tiny, index, logit, offset)
    affine = torch.tensor([[[2.0, 0.0, 6.0], [0.0, 2.0, -4.0]], [[0.5, 0.0, 0.0], [0.0, 0.5, 3.0]]]).double()
    found = find_people(model, torch.rand(2, 3, 48, 64), affine, SKELETON, ("a", "b"), count=50, least_score=0.05)
    assert [len(people) for people in found] == [2, 1]
    grid = AnchorGrid(model.anchors, ((12, 16), (6, 8)), (4, 8))
    places = grid.places(index)
    in_image = places.points + offset * places.size[..., None, None]
    original = (in_image - affine[:, None, None, :, 2].float()) / affine[:, :1, None, None, 0].float()
    for b, n in [(0, 0), (0, 1), (1, 0)]:
        person = found[b][n]
        torch.testing.assert_close(person.keypoints, original[b, n])
        side = 0.02 * places.size[b, n] / affine[b, 0, 0].float()  # of Laplace's law: variance 2 s^2
        torch.testing.assert_close(person.covariance, 2 * side**2 * torch.eye(2).expand(3, 2, 2))
        assert person.image_id == ("a", "b")[b]
        sides = original[b, n].amax(0) - original[b, n].amin(0)
        assert person.area == pytest.approx(0.53 * sides.prod().item(), rel=1e-4)
        torch.testing.assert_close(
            person.confidence, expected_oks(person.distribution, person.area, SKELETON.oks_sigmas, person.keypoints)
        )
        assert person.score == pytest.approx(logit[b, n].sigmoid().item() * person.confidence.mean().item(), rel=1e-4)


def test_the_class_alone_may_rank(tiny: Backbones) -> None:
    index, logit = torch.tensor([[37, 211]]), torch.tensor([[1.0, 2.0]])
    model = planted(tiny, index, logit, torch.zeros(1, 2, 3, 2))
    eye = torch.eye(2, 3).double()[None]
    (found,) = find_people(model, torch.rand(1, 3, 48, 64), eye, SKELETON, (3,), score="class", least_score=0.5)
    assert [person.score for person in found] == pytest.approx(logit.sigmoid()[0].flip(0).tolist())
    entry = found[0].to_coco()
    assert entry["image_id"] == 3
    assert len(entry["keypoints"]) == 9


def test_one_answer_per_person(tiny: Backbones) -> None:
    """Two anchors that say the same: the better stays."""
    index = torch.tensor([[2 * 16 + 5, 2 * 16 + 6]])  # neighbours, 4 pixels apart; size 12
    offset = torch.stack([torch.zeros(3, 2), torch.tensor([-4.0 / 12, 0.0]).expand(3, 2)])[None]
    model = planted(tiny, index, torch.tensor([[1.0, 3.0]]), offset)
    eye = torch.eye(2, 3).double()[None]
    (found,) = find_people(model, torch.rand(1, 3, 48, 64), eye, SKELETON, (3,), least_score=0.1)
    assert len(found) == 1
    assert found[0].score > torch.tensor(1.0).sigmoid()


def test_nobody_and_more_answers_asked_for_than_there_are_anchors(tiny: Backbones) -> None:
    model = planted(tiny, torch.tensor([[0]]), torch.tensor([[-9.0]]), torch.zeros(1, 1, 3, 2))
    eye = torch.eye(2, 3).double()[None]
    assert find_people(model, torch.rand(1, 3, 48, 64), eye, SKELETON, (3,), count=10**6) == [[]]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10**6), st.floats(0.05, 0.95), st.floats(1.0, 80.0))
def test_who_stays_is_what_the_one_by_one_rule_says(count: int, seed: int, threshold: float, width: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    keypoints = torch.rand(2, count, 3, 2, generator=generator) * width
    area = 50 + 500 * torch.rand(2, count, generator=generator)
    stays = different(keypoints, area, torch.tensor(SKELETON.oks_sigmas), threshold)
    for b in range(2):
        expected = oks_nms(keypoints[b], torch.arange(count, 0, -1).float(), area[b], SKELETON.oks_sigmas, threshold)
        assert stays[b].nonzero()[:, 0].tolist() == expected
