"""Every check that needs no picture: silent on good labels, and right about planted faults."""

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings

from poserior import skeletons
from poserior.checks import examine
from poserior.checks.finding import SEVERITIES


def found(content, skeleton=None):
    return {(one.check, one.severity): one for one in examine(content, skeleton)[1]}


def test_good_labels_are_not_complained_of(labels):
    assert examine(labels)[1] == []


def put(row, keypoint, x, y, v=2):
    row["keypoints"][3 * keypoint : 3 * keypoint + 3] = [x, y, v]


def break_points(rows):
    put(rows[3], 1, 0, 0)


def break_off_picture(rows):
    put(rows[3], 1, 500.0, 10.0)
    put(rows[4], 2, -9.0, 10.0)


def break_outside_box(rows):
    rows[3]["bbox"][2] = rows[3]["bbox"][3] = 15.0
    rows[3]["area"] = 200.0


def break_nan(rows):
    put(rows[3], 1, math.nan, 4.0)
    put(rows[5], 1, "12", None)
    put(rows[6], 1, 10**400, 4.0)


@pytest.mark.parametrize(
    ("check", "severity", "count", "example", "breaks"),
    [
        ("keypoint-count", "error", 1, "annotation 8 in 002.png", lambda rows: rows[7]["keypoints"].pop()),
        ("visibility", "error", 1, "annotation 4 in 001.png", lambda rows: put(rows[3], 1, 70, 30, 3)),
        ("origin", "error", 1, "annotation 4 in 001.png", break_points),
        ("off-picture", "error", 2, "annotation 4 in 001.png", break_off_picture),
        ("outside-box", "warning", 5, "annotation 4 in 001.png", break_outside_box),
        ("not-a-number", "error", 3, "annotation 4 in 001.png", break_nan),
        ("num-keypoints", "warning", 1, "annotation 4 in 001.png", lambda rows: rows[3].update(num_keypoints=3)),
        ("box", "error", 1, "annotation 4 in 001.png", lambda rows: rows[3].update(bbox=[5, 5, -3, 9])),
        ("box", "error", 1, "annotation 4 in 001.png", lambda rows: rows[3].update(bbox="big")),
        ("box", "error", 1, "annotation 4 in 001.png", lambda rows: rows[3].update(bbox=[900, 5, 30, 30])),
        ("box", "warning", 1, "annotation 4 in 001.png", lambda rows: rows[3]["bbox"].__setitem__(2, 400.0)),
        ("area", "error", 1, "annotation 4 in 001.png", lambda rows: rows[3].update(area=0)),
        ("area", "warning", 1, "annotation 4 in 001.png", lambda rows: rows[3].pop("area")),
        ("area", "warning", 1, "annotation 4 in 001.png", lambda rows: rows[3].update(area=9999.0)),
        ("ids", "error", 1, "4", lambda rows: rows[4].update(id=4)),
        ("ids", "error", 1, "annotation 4", lambda rows: rows[3].update(image_id=777)),
    ],
)
def test_a_planted_fault_is_found_where_it_is(check, severity, count, example, breaks, labels):
    breaks(labels["annotations"])
    one = found(labels)[check, severity]
    assert one.count == count
    assert one.examples[0] == example
    assert one.advice


def test_one_person_annotated_twice(labels):
    rows = labels["annotations"]
    rows.append(copy.deepcopy(rows[10]) | {"id": 999})
    rows[-1]["keypoints"][0] += 0.3
    one = found(labels)["duplicate-people", "warning"]
    assert (one.count, one.examples) == (1, ("annotation 11 in 003.png is annotation 999 in 003.png",))


def test_other_units(labels):
    for k in range(0, 15, 3):
        labels["annotations"][9]["keypoints"][k] /= 100
        labels["annotations"][9]["keypoints"][k + 1] /= 100
    assert found(labels)["units", "warning"].examples == ("annotation 10 in 003.png",)
    for row in labels["annotations"]:
        for k in range(0, 15, 3):
            row["keypoints"][k] /= 160
            row["keypoints"][k + 1] /= 120
    assert "between 0 and 1" in found(labels)["units", "error"].what


def test_a_keypoint_that_nobody_labelled(labels):
    for row in labels["annotations"]:
        put(row, 2, 0, 0, 0)
        row["num_keypoints"] = 4
    one = found(labels)["never-labelled", "warning"]
    assert one.examples == ("right_eye: 0 of 60 people",)


def test_edges_and_names(labels):
    category = labels["categories"][0]
    category["skeleton"] = [[0, 1], [1, 2], [2, 1], [1, 3], [9, 1], "x"]
    edges = found(labels)
    assert edges["edges", "warning"].examples == ("[0, 1]", "[9, 1]", "x")
    assert "count from 0" in edges["edges", "warning"].advice
    category["skeleton"] = [[1, 2], [2, 1], [1, 3]]
    hints = [one for one in examine(labels)[1] if one.severity == "hint"]
    assert {one.examples for one in hints} == {("nose to left_eye",), ("left_hip", "right_hip")}
    category["keypoints"] = ["nose", "left_eye", "right_ear", "left_hip", "right_hip"]
    assert found(labels)["flip-pairs", "warning"].examples == ("left_eye", "right_ear")


def test_the_skeleton_asked_for(labels):
    lsp = found(labels, skeletons.load("lsp14"))
    assert lsp["keypoint-count", "error"].count == 60
    assert lsp["skeleton", "error"].examples[-1] == "5 and 14 keypoints"
    names = tuple(labels["categories"][0]["keypoints"])
    own = skeletons.Skeleton("own", names, ((0, 1),), (("left_eye", "right_hip"),), (0.1,) * 5)
    pairs = found(labels, own)["flip-pairs", "error"]
    assert pairs.examples[0] == "left_eye with right_hip, not right_eye"
    assert pairs.examples[1] == "right_eye with nobody, not left_eye"
    assert pairs.count == 4


def test_sides_of_the_picture_instead_of_the_person(labels):
    for row in labels["annotations"]:
        points = [row["keypoints"][3 * k : 3 * k + 3] for k in (0, 2, 1, 4, 3)]
        row["keypoints"] = [value for point in points for value in point]
    one = found(labels)["left-right", "error"]
    assert one.what == "the left eye lies left of the right one in 100% of 60 faces"


COCO = skeletons.load("coco17")


@pytest.fixture
def few(labels):
    """Six of the people, in three pictures."""
    labels["annotations"], labels["images"] = labels["annotations"][:6], labels["images"][:3]
    return labels


def test_nothing_breaks_the_doctor(few, mutated):
    """Anything anywhere in the file replaced, removed or doubled: findings, never an exception."""
    outcomes = []

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None)
    @given(mutated(few))
    def check(content):
        findings = examine(content)[1]
        assert all(one.count > 0 for one in findings)
        assert all(one.severity in SEVERITIES and one.advice for one in findings)
        outcomes.append(any(one.severity == "error" for one in findings))
        examine(content, COCO)

    check()
    assert 0.1 < np.mean(outcomes) < 0.99


@pytest.mark.parametrize("content", [None, 3, "text", [], [1], {}, {"images": 3}, {"annotations": [1, None]}])
def test_files_that_are_no_annotations(content):
    findings = examine(content)[1]
    assert findings[0].severity == "error"
    assert findings[0].check == "structure"
