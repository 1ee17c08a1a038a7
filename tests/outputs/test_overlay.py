import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from poserior import skeletons
from poserior.inference import draw_people
from poserior.outputs.overlay import LEFT, MIDDLE, RIGHT, central_ellipse, keypoint_sides, limb_color
from poserior.structures import Prediction, Region

SKELETON = skeletons.Skeleton(
    "pair", ("left_hand", "right_hand"), ((0, 1),), (("left_hand", "right_hand"),), (0.05, 0.05)
)


def person(points, spread=16.0, confidence=1.0, box=(0.0, 0.0, 200.0, 200.0), score=1.0, **more):
    return Prediction(
        keypoints=torch.tensor(points),
        covariance=torch.eye(2).repeat(2, 1, 1) * spread,
        visibility=torch.ones(2),
        confidence=torch.full((2,), confidence),
        score=score,
        box_xyxy=torch.tensor(box),
        skeleton=SKELETON,
        **more,
    )


def grey(height, width):
    return np.full((height, width, 3), 90, np.uint8)


def test_points_have_their_sides_colour_where_they_lie():
    drawn = draw_people(grey(720, 800), [person([[100.0, 300.0], [400.0, 300.0]])])
    assert drawn.shape == (720, 800, 3)
    assert tuple(drawn[300, 100]) == LEFT
    assert tuple(drawn[300, 400]) == RIGHT
    assert tuple(drawn[300, 250]) == MIDDLE  # the limb that joins the sides
    assert tuple(drawn[600, 600]) == (90, 90, 90)


def test_the_input_is_left_alone_and_nobody_leaves_it_as_it_is():
    image = grey(800, 720)
    draw_people(image, [person([[100.0, 300.0], [400.0, 300.0]])])
    assert (image == 90).all()
    assert (draw_people(image, []) == image).all()


def test_ellipse_passes_where_ninety_per_cent_end():
    # A Gaussian with 20 px standard deviation: radius 2.146 x 20 = 42.9 px above the point.
    drawn = draw_people(grey(720, 800), [person([[200.0, 300.0], [600.0, 300.0]], spread=400.0)]).astype(int)
    column = np.abs(drawn[230:285, 200] - np.array(LEFT)).sum(-1)
    assert 230 + column.argmin() + 0.5 == pytest.approx(300 - 42.9, abs=1.0)


def test_small_pictures_are_enlarged():
    drawn = draw_people(grey(60, 90), [person([[30.0, 20.0], [70.0, 40.0]], spread=1.0, box=(0.0, 0.0, 90.0, 60.0))])
    assert drawn.shape == (360, 540, 3)  # six times, the limit
    assert tuple(drawn[120, 180]) == LEFT


def test_less_sure_is_fainter():
    contrast = [
        int(
            np.abs(
                draw_people(grey(720, 800), [person([[100.0, 300.0], [400.0, 300.0]], confidence=c)])[300, 100] - 90.0
            ).sum()
        )
        for c in (0.0, 0.3, 1.0)
    ]
    assert 0 < contrast[0] < contrast[1] < contrast[2]


def test_the_better_person_is_on_top():
    right = person([[400.0, 300.0], [100.0, 300.0]], score=0.1)
    left = person([[100.0, 300.0], [400.0, 300.0]], score=0.9)
    assert (draw_people(grey(720, 800), [left, right]) == draw_people(grey(720, 800), [right, left])).all()
    assert tuple(draw_people(grey(720, 800), [left, right])[300, 100]) == LEFT


@pytest.mark.parametrize("point", [[-1e9, 50.0], [50.0, 1e30], [float("nan"), 3.0]])
def test_points_far_outside_do_no_harm(point):
    drawn = draw_people(grey(720, 800), [person([point, [400.0, 300.0]])])
    assert tuple(drawn[300, 400]) == RIGHT


def test_sides_come_from_the_mirror_pairs():
    coco = skeletons.load("coco17")
    assert keypoint_sides(coco)[coco.index("nose")] == MIDDLE
    assert keypoint_sides(coco)[coco.index("right_ankle")] == RIGHT
    assert [limb_color(LEFT, MIDDLE), limb_color(MIDDLE, RIGHT), limb_color(LEFT, RIGHT)] == [LEFT, RIGHT, MIDDLE]


def test_the_ellipse_of_a_fitted_region_is_drawn_instead():
    # 20 px standard deviation and a conformal radius of 3: the outline lies 60 px above the point, not 42.9.
    def outline(regions):
        people = [person([[200.0, 300.0], [600.0, 300.0]], spread=400.0, regions=regions)]
        drawn = draw_people(grey(720, 800), people).astype(int)
        assert tuple(drawn[300, 200]) == LEFT
        return 220.5 + np.abs(drawn[220:285, 200] - np.array(LEFT)).sum(-1).argmin()

    levels = torch.tensor([0.95, 1.0])
    assert outline({}) == pytest.approx(300 - 42.9, abs=1.0)
    assert outline({0.9: Region(torch.tensor([3.0, 1.0]), levels)}) == pytest.approx(300 - 60, abs=1.0)
    smaller = {0.5: Region(torch.tensor([1.0, 1.0]), levels), 0.9: Region(torch.tensor([3.0, 1.0]), levels)}
    assert outline(smaller) == pytest.approx(300 - 60, abs=1.0)
    # An infinite region is everywhere: nothing is drawn but the point.
    people = [
        person(
            [[200.0, 300.0], [600.0, 300.0]], spread=400.0, regions={0.9: Region(torch.full((2,), torch.inf), levels)}
        )
    ]
    drawn = draw_people(grey(720, 800), people)
    assert (drawn[:250] == 90).all()
    assert tuple(drawn[300, 600]) == RIGHT


@given(st.floats(0.05, 20), st.floats(0.05, 20), st.floats(-3.1, 3.1))
def test_ellipse_of_a_turned_covariance(a, b, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    covariance = turn @ np.diag([a * a, b * b]) @ turn.T
    _, axes, found = central_ellipse(np.zeros((1, 2)), covariance[None], np.array([2.0]))
    assert axes[0].tolist() == pytest.approx([2 * max(a, b), 2 * min(a, b)], rel=1e-5)
    # the end of the major axis lies on the ellipse of Mahalanobis radius 2
    end = axes[0, 0] * np.array([np.cos(found[0]), np.sin(found[0])])
    assert end @ np.linalg.inv(covariance) @ end == pytest.approx(4.0, rel=1e-5)
