from types import SimpleNamespace

import numpy as np
import pytest

from poserior.outputs import Box, draw_boxes
from poserior.outputs.overlay import component_color


def box(box_xyxy, component=0, covariance=((16.0, 0.0), (0.0, 16.0)), score=1.0, categories=("ball",)):
    return SimpleNamespace(
        box_xyxy=np.array(box_xyxy),
        score=score,
        centre_score=score,
        category=len(categories) - 1,
        categories=categories,
        component=component,
        weights=np.ones(1),
        boxes_xyxy=np.zeros((0, 4)),
        size_covariance=np.array(covariance),
        expected_iou=None,
        image_id=0,
    )


def test_frame_and_ellipses_have_the_components_colour():
    image = np.zeros((200, 300, 3), np.uint8)
    one = box([100.0, 50.0, 200.0, 150.0], component=2)
    assert isinstance(one, Box)
    drawn = draw_boxes(image, [one], min_side=1)
    assert image.max() == 0
    assert drawn.shape == image.shape
    assert drawn[100, 97:103].max(0) == pytest.approx(component_color(2), abs=75)  # the left edge, antialiased
    # half the size's deviation, 2 pixels, times 2.146: the ellipses reach 4.3 pixels beyond the corners
    assert drawn[50, 94:97].max() > 100
    assert drawn[46, 99:101].max() > 100
    assert drawn[50, 80:90].max() == 0
    assert drawn[100, 120:180].max() == 0  # nothing inside
    assert np.array_equal(draw_boxes(image, [], min_side=1), image)


def test_without_a_covariance_or_out_of_the_picture_nothing_breaks():
    nan, inf = float("nan"), float("inf")
    image = np.full((60, 40, 3), 7, np.uint8)
    strange = [
        box([-1e9, 5.0, 20.0, 1e9], covariance=((nan, nan), (nan, nan))),
        box([nan, 0.0, 5.0, 5.0]),
        box([0.0, 0.0, inf, 5.0], score=nan),
    ]
    assert draw_boxes(image, strange, min_side=1).shape == (60, 40, 3)
    enlarged = draw_boxes(image, [box([5.0, 5.0, 20.0, 30.0], categories=("ball", "kite"))])
    assert enlarged.shape == (360, 240, 3)


def test_colours_of_components_differ():
    colors = [np.array(component_color(n)) for n in range(10)]
    apart = [np.abs(a - b).max() for n, a in enumerate(colors) for b in colors[:n]]
    assert min(apart) > 25
