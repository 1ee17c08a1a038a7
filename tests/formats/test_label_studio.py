import json
import math

import pytest

from poserior import formats
from poserior.errors import InputError

SIZE = {"original_width": 200, "original_height": 100, "image_rotation": 0}


def point(label, x, y, key="", **more):
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [label]}
    return {"id": key or f"{label}{x}", "type": "keypointlabels", "value": value, **SIZE, **more}


def box(key, x, y, width, height, rotation=0):
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation, "rectanglelabels": ["cat"]}
    return {"id": key, "type": "rectanglelabels", "value": value, **SIZE}


def tasks(*results, image="/data/upload/1/0123abcd-a.png", **more):
    return [{"id": 4, "data": {"image": image}, "annotations": [{"result": list(results)}], **more}]


def test_per_cent_of_the_picture_is_continuous_pixels(write):
    hidden = {"id": "p", "type": "choices", "value": {"choices": ["occluded"]}}
    found = formats.read(write("export.json", tasks(point("nose", 10, 30), point("paw", 30.25, 70.25, "p"), hidden)))
    assert found.people[0].points == ((20.0, 30.0, 2), (60.5, 70.25, 1))
    assert found.people[0].box_xyxy is None
    assert found.images == (formats.LabelledImage("a.png", (100, 200)),)


def test_keypoints_go_to_their_parent_or_to_the_smallest_rectangle_around_them(write):
    found = formats.read(
        write(
            "export.json",
            tasks(
                box("big", 0, 0, 100, 100),
                box("small", 50, 20, 30, 70),
                point("nose", 60, 30),  # in both: the small one's
                point("nose", 10, 30),  # in the big one alone
                point("paw", 70, 50, parentID="big"),  # in both, but a child of the big one
            ),
        )
    )
    big, small = found.people
    assert small.points == ((120.0, 30.0, 2), formats.UNLABELLED)
    assert big.points == ((20.0, 30.0, 2), (140.0, 50.0, 2))
    assert small.box_xyxy == (100.0, 20.0, 160.0, 90.0)
    assert found.categories == ("cat",)


def test_a_turned_rectangle_is_its_hull(write):
    # 40 x 20 pixels, turned by 90 degrees about its first corner (100, 50): to the left and down
    found = formats.read(write("export.json", tasks(box("b", 50, 50, 20, 20, 90), point("nose", 45, 60))))
    assert found.people[0].box_xyxy == pytest.approx((80.0, 50.0, 100.0, 90.0))
    assert math.isclose(found.people[0].points[0][0], 90.0)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/local-files/?d=shots/a%20b.png", "shots/a b.png"),
        ("https://host/x/a.png?token=1", "a.png"),
        ("s3://bucket/x/a.png", "a.png"),
        ("shots/a.png", "shots/a.png"),
        ("/data/upload/3/89abcdef-a-b.png", "a-b.png"),
    ],
)
def test_names_of_pictures(write, image, name):
    found = formats.read(write("export.json", tasks(point("nose", 1, 1), image=image)))
    assert found.images[0].name == name


def test_which_annotation_counts(write):
    entries = [
        {"was_cancelled": True, "result": [point("nose", 1, 1)]},
        {"result": [point("nose", 2, 2)]},
        {"ground_truth": True, "result": [point("nose", 3, 3)]},
    ]
    content = [{"id": 1, "data": {"image": "a.png"}, "annotations": entries, "predictions": [{"result": "x"}]}]
    found = formats.read(write("export.json", content))
    assert found.people[0].points == ((6.0, 3.0, 2),)
    assert found.notes == ("1 further annotations of the same tasks",)


def test_the_tasks_that_are_written(cats, tmp_path):
    formats.write(cats, tmp_path / "tasks.json", "label-studio")
    written = json.loads((tmp_path / "tasks.json").read_text())
    results = written[0]["annotations"][0]["result"]
    assert written[0]["data"] == {"image": "/data/local-files/?d=a.png"}
    assert results[0]["value"] == {
        "x": 5.0,
        "y": 20.0,
        "width": 30.0,
        "height": 70.0,
        "rotation": 0,
        "rectanglelabels": ["cat"],
    }
    assert results[1]["value"] == {"x": 10.0, "y": 30.0, "width": 0.5, "keypointlabels": ["nose"]}
    assert results[1]["parentID"] == results[0]["id"]
    assert [result["type"] for result in results[2:4]] == ["keypointlabels", "choices"]
    assert written[1]["annotations"] == [{"result": []}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (tasks(point("nose", 101, 1)), "x from 0 to 100 per cent in .*export.json, task 4, found 101"),
        (tasks(point("nose", float("nan"), 1)), "finite number in .*task 4, x, found nan"),
        (tasks(point("nose", 1, 1), point("nose", 2, 2)), "'nose' twice in a picture without rectangles"),
        (tasks(box("b", 0, 0, 9, 9), point("nose", 50, 1)), "'nose' at 100.0, 1.0 outside all of them"),
        (tasks(box("b", 0, 0, 9, 9), box("b", 0, 0, 9, 9)), "an id of its own"),
        (tasks(box("b", 0, 0, 0, 9)), "positive width"),
        (tasks(point("nose", 1, 1, original_width=9), point("paw", 1, 1)), "one original size"),
        (tasks(point("nose", 1, 1, image_rotation=90)), "no turned picture"),
        (tasks(point("nose", 1, 1), image="../a.png"), "path inside the image folder in .*task 4"),
        (tasks(point("nose", 1, 1), image="/data/local-files/?d=../a.png"), "path inside the image folder"),
        (tasks(), "at least one region of type keypointlabels"),
        ([{"image": "a.png", "label": []}], "JSON-MIN"),
        ([{"data": {}}], "expected a picture's path under 'data'"),
        ([{"data": {"image": "a"}, "annotations": 3}], "expected a list in .*task 0, annotations, found 3"),
    ],
)
def test_bad_exports_are_named(write, content, says):
    with pytest.raises(InputError, match=says):
        formats.read(write("export.json", content), "label-studio")
