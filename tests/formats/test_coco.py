import json

import numpy as np
import pytest

from poserior import formats
from poserior.errors import InputError
from poserior.formats import coco


def content(**changes):
    row = {"id": 5, "image_id": 7, "category_id": 3, "keypoints": [19.5, 29.5, 2, 60, 69.75, 1, 0, 0, 0]}
    row |= {"bbox": [10, 20, 60, 70], "area": 1234.5, "iscrowd": 0} | changes
    category = {"id": 3, "name": "cat", "keypoints": ["nose", "left_paw", "right_paw"], "skeleton": [[1, 2], [3, 1]]}
    picture = {"id": 7, "file_name": "a.png", "width": 200, "height": 100}
    return {"images": [picture], "annotations": [row], "categories": [category]}


def test_half_a_pixel_is_added_to_keypoints_and_nothing_to_boxes(write):
    found = formats.read(write("labels.json", content()))
    (cat,) = found.people
    assert cat.points == ((20.0, 30.0, 2), (60.5, 70.25, 1), formats.UNLABELLED)
    assert cat.box_xyxy == (10.0, 20.0, 70.0, 90.0)
    assert (cat.area, cat.id) == (1234.5, 5)
    assert found.images == (formats.LabelledImage("a.png", (100, 200), "", 7),)
    assert (found.keypoints[2], found.edges, found.categories) == ("right_paw", ((0, 1), (2, 0)), ("cat",))


def test_what_was_read_is_written_with_its_own_numbers(write, tmp_path):
    original = content()
    formats.write(formats.read(write("labels.json", original)), tmp_path / "again.json", "coco")
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["annotations"][0] == original["annotations"][0] | {"category_id": 1, "num_keypoints": 2}
    assert again["images"] == original["images"]


def test_the_data_set_reads_the_same(write, pictures, cats, tmp_path):
    from poserior.datasets import CocoKeypoints

    formats.write(cats, tmp_path / "cats.json", "coco")
    skeleton = formats.skeleton_of(cats, "cat")
    people = CocoKeypoints(tmp_path / "cats.json", pictures, skeleton)
    assert len(people) == 2
    np.testing.assert_allclose(people[0].keypoints[:2].numpy(), [[20.0, 30.0], [60.5, 70.25]])
    assert people[0].visibility.tolist() == [2, 1, 0]
    assert people[0].area == pytest.approx(0.53 * 60 * 70)


def test_categories_with_other_keypoints_must_be_chosen(write):
    two = content()
    two["categories"].append({"id": 4, "name": "dog", "keypoints": ["nose", "tail"]})
    two["categories"].append({"id": 9, "name": "tree"})
    with pytest.raises(InputError, match=r"categories with the same keypoints .* found cat, dog, tree; .* --category"):
        formats.read(write("labels.json", two))
    assert len(formats.read(write("labels.json", two), category="cat").people) == 1
    assert formats.read(write("labels.json", two), category="4").keypoints == ("nose", "tail")


def test_what_is_left_out_is_said(write):
    odd = content(segmentation=[[1, 2, 3, 4, 5, 6]])
    odd["categories"][0]["skeleton"].append([1, 9])
    assert formats.read(write("labels.json", odd)).notes == (
        "1 outlines (segmentation)",
        "1 edges of the skeleton that name no keypoint",
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"keypoints": [1, 2, 2]}, r"expected 9 numbers .* 'annotations' of .*labels.json, id 5, found 3"),
        ({"keypoints": [float("nan"), 2, 2, 0, 0, 0, 0, 0, 0]}, "expected a finite number in .*id 5, found nan"),
        ({"keypoints": [1, 2, 3, 0, 0, 0, 0, 0, 0]}, "expected a visibility of 0, 1 or 2 in .*id 5, found 3"),
        ({"keypoints": [1e300, 2, 2, 0, 0, 0, 0, 0, 0]}, "expected a finite number"),
        ({"image_id": 8}, "expected an image_id that 'images' lists"),
        ({"image_id": [7]}, "expected an image_id that 'images' lists"),
        ({"bbox": [1, 2, 3]}, "expected x, y, width, height"),
        ({"bbox": [1, 2, -3, 4]}, "expected x, y, width, height"),
    ],
)
def test_bad_annotations_are_named(write, changes, says):
    with pytest.raises(InputError, match=says):
        formats.read(write("labels.json", content(**changes)))


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "C:\\a.png", "a/../../b.png", ""])
def test_no_path_leaves_the_image_folder(write, name):
    bad = content()
    bad["images"][0]["file_name"] = name
    with pytest.raises(InputError, match=r"expected a picture's (path inside the image folder|file name)"):
        coco.read(write("labels.json", bad))
