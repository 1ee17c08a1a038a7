import base64
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from poserior.report.cases import cases, walk
from poserior.report.gallery import confidence_color, ellipse_axes, tile
from poserior.report.html import page_environment
from poserior.report.method import Method


def points_on(ellipse, count=17):
    """The points that an SVG ellipse with that rotation passes through."""
    cx, cy, rx, ry, degrees = ellipse
    t, a = np.linspace(0, 2 * np.pi, count), math.radians(degrees)
    x, y = rx * np.cos(t), ry * np.sin(t)
    return np.stack([cx + x * math.cos(a) - y * math.sin(a), cy + x * math.sin(a) + y * math.cos(a)], 1)


@given(st.floats(0.1, 30), st.floats(0.1, 30), st.floats(-0.99, 0.99), st.floats(0.5, 5))
def test_every_point_of_the_drawn_ellipse_has_the_radius(sx, sy, correlation, radius):
    covariance = np.array([[sx**2, correlation * sx * sy], [correlation * sx * sy, sy**2]])
    axes = ellipse_axes(covariance, radius)
    offset = points_on((0.0, 0.0, *axes))
    mahalanobis = np.sqrt(np.einsum("ni,ij,nj->n", offset, np.linalg.inv(covariance), offset))
    np.testing.assert_allclose(mahalanobis, radius, rtol=1e-6)
    assert axes[0] >= axes[1]


def test_ellipse_of_nothing():
    assert ellipse_axes(np.array([[1.0, 2.0], [2.0, 1.0]]), 2.0) is None
    assert ellipse_axes(np.full((2, 2), np.inf), 2.0) is None
    assert ellipse_axes(np.eye(2), math.nan) is None


def test_colors():
    assert confidence_color(0.25) == "#f48c35"  # half way from (232, 70, 43) to (255, 210, 63)
    assert confidence_color(7.0) == confidence_color(1.0)
    assert confidence_color(math.nan) == "#9aa0a6"


def methods_of(generated):
    return [Method(i, e, {}) for i, e in enumerate(generated.evaluations)]


def test_picture_and_marks_lie_in_the_same_pixels(generated):
    """A white pixel under a keypoint is under its mark, and the mark has the colour of the confidence."""
    methods = methods_of(generated)
    person = 11
    k = int(np.flatnonzero(methods[0].labelled[person])[3])
    x, y = generated.evaluations[0].keypoints[person, k].tolist()

    def picture(n):
        image = np.zeros((160, 200, 3), np.uint8)
        image[int(y), int(x)] = 255
        return image

    shown = tile(methods, person, picture)
    place = shown.place
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.jpeg))))
    assert pixels.shape[:2] == (place[3], place[2]), "small crops keep their pixels"
    assert pixels[int(y - place[1]), int(x - place[0])].min() > 150
    assert pixels[int(y - place[1]) + 9, int(x - place[0])].max() < 60
    color = confidence_color(float(generated.evaluations[0].confidence[person, k]))
    mark = min(shown.overlays[0].marks, key=lambda m: math.hypot(m.x - x, m.y - y))
    assert (mark.x, mark.y, mark.color) == (pytest.approx(x), pytest.approx(y), color)

    svg = page_environment().get_template("tile.html.j2").render(tile=shown)
    assert 'viewBox="37.5 1.88 125 156.25"' in svg
    assert 'x="37" y="1" width="126" height="158"' in svg
    drawn = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)" r="[\d.]+" style="--c:(#\w+)"', svg)
    assert any(abs(float(cx) - x) < 0.006 and abs(float(cy) - y) < 0.006 and c == color for cx, cy, c in drawn)


def test_view_holds_the_box_and_keeps_the_aspect(generated):
    shown = tile(methods_of(generated), 2, generated.pictures)
    left, top, width, height = shown.view
    # the box is 100 x 120; its width decides: grown by a quarter 125, and 125 / 0.8 high, about (100, 80)
    assert (left, top, width, height) == (37.5, 1.875, 125.0, 156.25)
    assert shown.place == (37.0, 1.0, 126.0, 158.0)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0.0, 0.0, 80.0, 100.0], (0.0, 0.0, 100.0, 125.0)),  # at the corner: pushed inside
        ([120.0, 60.0, 200.0, 160.0], (100.0, 35.0, 100.0, 125.0)),
        ([40.0, 0.0, 160.0, 150.0], (36.0, 0.0, 128.0, 160.0)),  # grown no further than the picture
        ([0.0, 0.0, 200.0, 160.0], (0.0, -45.0, 200.0, 250.0)),  # the whole box, whatever the picture
        ([100.0, 80.0, 100.0, 80.0], (95.0, 73.75, 10.0, 12.5)),  # a point
    ],
)
def test_view_stays_in_the_picture_where_it_can(generated, box, expected):
    placed = replace(generated.evaluations[0], box_xyxy=torch.tensor([box] * 47))
    assert tile([Method(0, placed, {})], 0, generated.pictures).view == pytest.approx(expected)


def test_large_crops_are_stored_smaller_but_shown_in_their_place(generated):
    big = [replace(e, box_xyxy=e.box_xyxy * 10) for e in generated.evaluations]

    def picture(n):
        return np.zeros((1600, 2000, 3), np.uint8)

    shown = tile([Method(i, e, {}) for i, e in enumerate(big)], 0, picture)
    size = Image.open(io.BytesIO(base64.b64decode(shown.jpeg))).size
    # the view is 1250 x 1562.5 about (1000, 800); the part stored covers whole pixels of the picture
    assert shown.place == (375.0, 18.0, 1250.0, 1564.0)
    assert size == (336, 420)


def test_a_box_outside_of_the_picture_has_no_picture(generated):
    away = [replace(e, box_xyxy=e.box_xyxy + 5000) for e in generated.evaluations]
    shown = tile([Method(i, e, {}) for i, e in enumerate(away)], 0, generated.pictures)
    assert shown.jpeg == ""


def test_only_labelled_or_expected_keypoints_are_drawn(generated):
    e = generated.evaluations[0]
    person = 5
    visibility = e.visibility.clone()
    visibility[person] = 0.0
    hidden = Method(0, replace(e, visibility=visibility), {})
    labelled = int(hidden.labelled[person].sum())
    assert len(tile([hidden], person, generated.pictures).overlays[0].marks) == labelled
    visibility[person] = 1.0
    every = Method(0, replace(e, visibility=visibility), {})
    assert len(tile([every], person, generated.pictures).overlays[0].marks) == 17
    assert len(tile([every], person, generated.pictures).overlays[0].limbs) == len(e.skeleton.edges)


def test_cases_are_what_they_say_and_nobody_comes_twice(generated):
    method = methods_of(generated)[0]
    best, worst, foreseen, unforeseen = cases(method, 3)
    everybody = [n for case in (best, worst, foreseen, unforeseen) for n in case.people]
    assert len(everybody) == len(set(everybody)) == 12
    order = np.argsort(method.person_oks)
    assert set(worst.people) == set(order[:3].tolist())
    assert set(best.people) == set(order[-3:].tolist())
    quarter = set(order[: 47 // 4].tolist()) - set(worst.people)
    assert set(foreseen.people) == set(sorted(quarter, key=lambda n: method.person_confidence[n])[:3])
    rest = quarter - set(foreseen.people)
    gap = method.person_confidence - method.person_oks
    assert set(unforeseen.people) == set(sorted(rest, key=lambda n: -gap[n])[:3])


def test_walk_passes_over_the_unlabelled(generated):
    e = generated.evaluations[0]
    visibility = e.target_visibility.clone()
    visibility[::2] = 0
    chosen = walk(Method(0, replace(e, target_visibility=visibility), {}), 4)
    assert chosen == (1, 15, 31, 45)
    assert walk(Method(0, replace(e, target_visibility=visibility * 0), {}), 4) == ()
