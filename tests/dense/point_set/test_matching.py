import math
from collections.abc import Callable

import pytest
import torch

from poserior.dense.point_set import AnchorGrid, anchor_oks, anchor_set, match, match_scene, unlearnable
from poserior.metrics import oks
from poserior.scenes import SceneBatch

SIGMAS = [0.05, 0.2, 0.1]


def grid(scales: tuple[float, ...] = (3.0, 5.0)) -> AnchorGrid:
    pose = torch.tensor([[[0.0, -0.5], [0.25, 0.5], [-0.2, 0.4]]])
    return AnchorGrid(anchor_set(pose, scales), ((12, 16), (6, 8)), (4, 8))


def test_similarity_is_oks_of_every_anchor_with_every_person() -> None:
    keypoints, area = 40 * torch.rand(2, 4, 3, 2), 100 + 1000 * torch.rand(2, 4)
    labelled = torch.rand(2, 4, 3) < 0.7
    labelled[..., 0] = True
    similarity = anchor_oks(grid(), keypoints, labelled, area, SIGMAS)
    points = grid().places(torch.arange(len(grid()))).points
    for b, n in [(0, 0), (1, 3)]:
        expected = oks(
            points,
            keypoints[b, n].expand_as(points),
            area[b, n].expand(len(points)),
            SIGMAS,
            labelled[b, n].expand(len(points), 3),
        )
        torch.testing.assert_close(similarity[b, n], expected, rtol=1e-4, atol=1e-6)


def test_similarity_by_hand() -> None:
    """One anchor of two points, cells of 4 pixels: 3 pixels off in x at one point, the other hit."""
    anchors = torch.tensor([[[-1.0, 0.0], [1.0, 0.5]]])
    keypoints = torch.tensor([[[[2.0 - 4.0 + 3.0, 2.0], [2.0 + 4.0, 2.0 + 2.0]]]])
    both = torch.ones(1, 1, 2, dtype=torch.bool)
    small = AnchorGrid(anchors, ((1, 1),), (4,))
    similarity = anchor_oks(small, keypoints, both, torch.tensor([[50.0]]), [0.25, 0.1])
    assert similarity.item() == pytest.approx((1 + math.exp(-9 / (2 * 50 * 0.25))) / 2)


def test_nobody_resembles_people_without_labels_or_area() -> None:
    keypoints = torch.full((1, 3, 3, 2), 20.0)
    keypoints[0, 1] = math.nan
    labelled = torch.tensor([True, False, True])[None, :, None].expand(1, 3, 3)
    similarity = anchor_oks(grid(), keypoints, labelled, torch.tensor([[90.0, 90.0, 0.0]]), SIGMAS)
    assert similarity[0, 0].max() > 0
    assert (similarity[0, 1:] == 0).all()


def test_thresholds_and_everybodys_best() -> None:
    """Person 0 has two anchors above 0.5; person 1's best is below it; anchor 4 lies between the thresholds."""
    similarity = torch.tensor([[[0.8, 0.6, 0.1, 0.0, 0.45], [0.0, 0.0, 0.3, 0.2, 0.1]]])
    matched = match(similarity, torch.zeros(1, 5, dtype=torch.bool))
    assert matched.positive.tolist() == [[True, True, True, False, False]]
    assert matched.near.tolist() == [[True, True, True, False, True]]
    assert matched.person[0].tolist() == [0, 0, 1, 1, 0]
    assert matched.counts.tolist() == [[True, True, True, True, False]]


def test_the_best_of_one_is_not_given_to_another() -> None:
    """Anchor 0 suits person 0 better, but is person 1's best, and person 0 has a better one."""
    similarity = torch.tensor([[[0.7, 0.9], [0.6, 0.2]]])
    matched = match(similarity, torch.zeros(1, 2, dtype=torch.bool))
    assert matched.person.tolist() == [[1, 0]]


def test_more_people_than_anchors() -> None:
    """Five people, two anchors: each answers for the one it suits best."""
    similarity = torch.tensor([[[0.6, 0.5], [0.9, 0.1], [0.2, 0.7], [0.3, 0.1], [0.1, 0.05]]])
    matched = match(similarity, torch.zeros(1, 2, dtype=torch.bool))
    assert matched.person.tolist() == [[1, 2]]
    assert matched.positive.all()


def test_somebody_far_from_all_anchors_gets_none() -> None:
    matched = match(torch.full((1, 1, 3), 0.001), torch.zeros(1, 3, dtype=torch.bool))
    assert not matched.positive.any()
    assert matched.counts.all()


@pytest.mark.parametrize("thresholds", [(0.4, 0.5), (0.5, 0.0)])
def test_thresholds_have_an_order(thresholds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 < negative <= positive"):
        match(torch.rand(1, 2, 3), torch.zeros(1, 3, dtype=torch.bool), *thresholds)


def test_boxes_silence_the_cells_whose_centres_they_hold() -> None:
    one = AnchorGrid(torch.zeros(2, 1, 2), ((2, 3),), (4,))
    silent = unlearnable(one, torch.tensor([[[1.0, 1.0, 7.0, 3.0], [0.0, 0.0, 0.0, 0.0]]]))
    assert silent.reshape(2, 2, 3).tolist() == [[[True, True, False], [False, False, False]]] * 2


def test_crowds_and_unlabelled_people_silence_others_do_not(scene_batch: Callable[..., SceneBatch]) -> None:
    keypoints = torch.zeros(1, 3, 3, 2)
    keypoints[0, 0] = torch.tensor([[22.0, 16.0], [25.0, 28.0], [20.0, 27.0]])
    visibility = torch.tensor([[[2, 1, 2], [0, 0, 0], [0, 0, 0]]])
    boxes = torch.tensor([[[18.0, 14.0, 28.0, 30.0], [40.0, 0.0, 64.0, 20.0], [0.0, 0.0, 64.0, 48.0]]])
    present = torch.tensor([[True, True, False]])  # the third only fills up
    crowd = torch.tensor([[[0.0, 40.0, 64.0, 48.0]]])
    batch = scene_batch(keypoints, visibility, box_xyxy=boxes, crowd_xyxy=crowd, present=present)
    matched = match_scene(grid(), batch, SIGMAS)
    assert (matched.person[matched.positive] == 0).all()
    assert matched.positive.any()
    level, kind = matched.counts[0, : 2 * 192].reshape(2, 12, 16), 0
    assert not level[kind, 10:].any()  # rows of centres 42 and 46 pixels: the crowd
    assert not level[kind, :5, 10:].any()  # the one without labels
    assert level[kind, 5:10, 10:].all()
    assert level[kind, :3, :3].all()


def test_areas_are_brought_to_the_pictures_pixels(scene_batch: Callable[..., SceneBatch]) -> None:
    """A picture shown twice as large: everybody's area is four times the original's."""
    keypoints = torch.tensor([[[[22.0, 16.0], [25.0, 28.0], [20.0, 27.0]]]])
    zoomed = torch.tensor([[[2.0, 0.0, 5.0], [0.0, 2.0, 1.0]]], dtype=torch.float64)
    small, large = torch.tensor([[50.0]]), torch.tensor([[200.0]])
    first = match_scene(grid(), scene_batch(keypoints, area=small, affine=zoomed), SIGMAS, 0.3, 0.2)
    second = match_scene(grid(), scene_batch(keypoints, area=large), SIGMAS, 0.3, 0.2)
    other = match_scene(grid(), scene_batch(keypoints, area=small), SIGMAS, 0.3, 0.2)
    assert torch.equal(first.positive, second.positive)
    assert first.positive.sum() > other.positive.sum()


def test_matching_is_as_symmetric_as_the_picture(scene_batch: Callable[..., SceneBatch]) -> None:
    """The mirrored picture's positives are the picture's, mirrored (the anchors are their own mirror images)."""
    pose = torch.tensor([[[0.0, -0.5], [0.25, 0.5], [-0.25, 0.5]]])
    symmetric = AnchorGrid(anchor_set(pose, [3.0, 5.0]), ((12, 16),), (4,))
    keypoints = torch.tensor([[[[22.0, 16.0], [26.0, 29.0], [20.0, 27.0]]]])
    mirrored = (keypoints * torch.tensor([-1.0, 1.0]) + torch.tensor([64.0, 0.0]))[:, :, [0, 2, 1]]
    one, two = (match_scene(symmetric, scene_batch(k), [0.1] * 3, 0.4, 0.3).positive for k in (keypoints, mirrored))
    assert one.any()
    assert torch.equal(one.reshape(1, 2, 12, 16).flip(-1), two.reshape(1, 2, 12, 16))
