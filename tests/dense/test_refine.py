import pytest
import torch

from poserior.dense.refine import refine_points


def setting(heats, size=(6.0, 10.0), points=None):
    """One person about (6, 6) on a grid of 12 x 15 with 2 keypoints; `heats`: keypoint, x, y, heat."""
    heat = torch.zeros(1, 2, 12, 15)
    for k, x, y, value in heats:
        heat[0, k, y, x] = value
    offset = torch.zeros(1, 2, 12, 15)
    offset[0, 0], offset[0, 1] = 0.25, -0.125
    points = torch.tensor([[[[5.0, 4.0], [7.0, 8.0]]]] if points is None else points)
    return points, torch.tensor([[[6.0, 6.0]]]), torch.tensor([[size]]), heat, offset


def test_the_nearest_peak_with_heat_enough_wins():
    found = refine_points(*setting([(0, 5, 3, 0.2), (0, 6, 6, 0.9), (1, 7, 8, 0.09)]))
    # the cell (5, 3) has its centre at (5.5, 3.5); the stronger peak is further away
    assert found.points.tolist() == [[[[5.75, 3.375], [7.0, 8.0]]]]
    assert found.moved.tolist() == [[[True, False]]]
    assert found.heat[0, 0].tolist() == pytest.approx([0.2, 0.09])  # where it lies, the point has its own heat


def test_a_peak_beyond_the_reach_or_outside_the_box_does_not_count():
    far = refine_points(*setting([(0, 6, 7, 0.9)]))  # (6.75, 7.375) is 3.8 from (5, 4), 0.3 times 10 is 3
    assert far.moved.sum() == 0
    assert refine_points(*setting([(0, 6, 7, 0.9)]), reach=0.4).points[0, 0, 0].tolist() == [6.75, 7.375]
    # x 2.75 is 3.25 left of the centre: outside of the half width 3, inside of 1.1 times it
    assert refine_points(*setting([(0, 2, 4, 0.9)]), grown=1.0).moved.sum() == 0
    assert refine_points(*setting([(0, 2, 4, 0.9)])).points[0, 0, 0].tolist() == [2.75, 4.375]


def test_only_peaks_count_and_each_keypoint_has_its_own():
    slope = [(0, 5, 3, 0.5), (0, 6, 3, 0.6), (1, 7, 7, 0.8)]
    found = refine_points(*setting(slope))
    assert found.points[0, 0].tolist() == [[6.75, 3.375], [7.75, 7.375]]
    assert found.heat[0, 0].tolist() == pytest.approx([0.6, 0.8])


def test_a_point_outside_the_picture_has_no_heat():
    found = refine_points(*setting([(0, 0, 0, 0.9)], points=[[[[-0.5, 0.5], [3.5, 4.5]]]]), reach=0.01)
    assert found.heat.tolist() == [[[0, 0]]]
    assert not found.moved.any()


def test_people_and_pictures_together_are_each_alone():
    torch.manual_seed(0)
    heat, offset = torch.rand(3, 4, 12, 15) * 0.4, torch.rand(3, 2, 12, 15) - 0.5
    centre, size = torch.rand(3, 5, 2) * 12, torch.rand(3, 5, 2) * 8 + 2
    points = centre[:, :, None] + (torch.rand(3, 5, 4, 2) - 0.5) * size[:, :, None]
    together = refine_points(points, centre, size, heat, offset)
    assert 0 < together.moved.float().mean() < 1
    for b in range(3):
        for n in range(5):
            part = (points[b, n][None, None], centre[b, n][None, None], size[b, n][None, None])
            alone = refine_points(*part, heat[b : b + 1], offset[b : b + 1])
            assert torch.equal(alone.points[0, 0], together.points[b, n])
            assert torch.equal(alone.heat[0, 0], together.heat[b, n])


def test_nobody_is_refined_to_nobody():
    found = refine_points(
        torch.zeros(2, 0, 4, 2),
        torch.zeros(2, 0, 2),
        torch.zeros(2, 0, 2),
        torch.rand(2, 4, 6, 5),
        torch.rand(2, 2, 6, 5),
    )
    assert found.points.shape == (2, 0, 4, 2)
