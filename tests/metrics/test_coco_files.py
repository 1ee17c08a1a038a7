import json

import pytest

from poserior.errors import InputError
from poserior.metrics.coco_files import load_annotations, load_results


def annotations(**changes):
    person = {
        "id": 7,
        "image_id": 4,
        "category_id": 3,
        "keypoints": [1, 2, 2, 5, 9, 1],
        "area": 50.0,
        "bbox": [0, 0, 9, 12],
    }
    return {"images": [{"id": 4}], "categories": [{"id": 3, "name": "fly"}], "annotations": [person | changes]}


def results(**changes):
    return [{"image_id": 4, "category_id": 3, "keypoints": [1, 2, 0.5, 5, 9, 0.5], "score": 0.5} | changes]


def test_absent_fields_are_filled_in_and_ids_start_at_one():
    truth = load_annotations(annotations(id=0), 2, None)
    (person,) = truth["annotations"]
    assert person["id"] == 1
    assert person["image_id"] == truth["image_index"][4] == 1
    assert (person["num_keypoints"], person["iscrowd"], truth["category_id"]) == (2, 0, 3)


@pytest.mark.parametrize("area", [None, 0, 0.0])
def test_a_missing_area_comes_from_the_box(area):
    assert load_annotations(annotations(area=area), 2, None)["annotations"][0]["area"] == pytest.approx(0.53 * 9 * 12)


def test_a_missing_box_is_that_of_the_points():
    assert load_annotations(annotations(bbox=None), 2, None)["annotations"][0]["bbox"] == [1, 2, 4, 7]


def test_image_ids_keep_their_order():
    content = annotations() | {"images": [{"id": "b"}, {"id": 10}, {"id": 4}, {"id": "a"}, {"id": 4}]}
    assert load_annotations(content, 2, None)["image_index"] == {4: 1, 10: 2, "a": 3, "b": 4}


def test_the_person_among_several_categories():
    content = annotations()
    other = content["annotations"][0] | {"category_id": 1, "id": 8}
    both = content | {"annotations": [*content["annotations"], other]}
    with pytest.raises(InputError, match=r"expected one category with keypoints .* found \['1', '3'\]"):
        load_annotations(both, 2, None)
    both["categories"] = [{"id": 1, "name": "person"}, {"id": 3, "name": "fly"}]
    assert load_annotations(both, 2, None)["category_id"] == 1
    assert load_annotations(both, 2, 3)["category_id"] == 3
    assert len(load_annotations(both, 2, 3)["annotations"]) == 1
    with pytest.raises(InputError, match=r"expected a category of annotations \(1, 3\), found 2"):
        load_annotations(both, 2, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a COCO dictionary with lists 'images' and 'annotations' in annotations"),
        ({"images": []}, "expected a COCO dictionary"),
        (annotations() | {"annotations": [3]}, "expected a dictionary with image_id as annotation 0"),
        (annotations() | {"images": [{"name": "x"}]}, "expected the key 'id' in image 0 of annotations"),
        (annotations() | {"images": [{"id": 1.5}]}, "expected a whole number or a name as image id"),
        (annotations(image_id=5), "expected an image_id that the annotations list, such as 4, found 5 in annotation 7"),
        (annotations(keypoints=[1, 2, 2]), r"expected 6 numbers \(x, y, v of 2 keypoints\) .* found 3 values"),
        (annotations(keypoints=[1, 2, 2, 5, None, 1]), "expected 6 finite numbers as 'keypoints' .* found None"),
        (
            annotations(area="big"),
            "expected a positive number as 'area' .* of annotation 7 of annotations, found 'big'",
        ),
        (annotations(area=-1), "expected a positive number as 'area'"),
        (annotations(area=None, bbox=[0, 0, 0, 5]), "expected a positive number as 'area'"),
        (annotations(bbox=[1, 2]), "expected 4 finite numbers as 'bbox'"),
    ],
)
def test_bad_annotations_are_one_sentence(tmp_path, content, message):
    if isinstance(content, list):
        (tmp_path / "annotations").write_text(json.dumps(content))
        content, message = tmp_path / "annotations", "expected a COCO dictionary .* in .*annotations"
    with pytest.raises(InputError, match=message):
        load_annotations(content, 2, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "expected a list of COCO results in .*r.json, found dict"),
        ([3], "expected a dictionary as result 0 of .*r.json, found int"),
        (results(image_id="4"), "expected an image_id that the annotations list, such as 4, found '4' in result 0"),
        (results(image_id=None), "expected a whole number or a name as image id in result 0"),
        (results(score=float("nan")), "expected a finite number as 'score' of result 0 of .*r.json, found nan"),
        (results(score="0.5"), "expected a finite number as 'score' of result 0"),
        (results(keypoints=[1, float("nan"), 1, 2, 2, 2]), "expected 6 finite numbers as 'keypoints' .* found nan"),
        (results(keypoints=[1, 2, 3]), r"expected 6 numbers \(x, y, v of 2 keypoints\) .* choose the skeleton"),
        (results(keypoints=[[1, 2, 3]] * 6), "expected 6 finite numbers as 'keypoints'"),
        (results(keypoints=7), "found int"),
        (results(category_id=1), "expected results of category 3 in .*r.json, found only category 1"),
        ([{"image_id": 4, "keypoints": [0] * 6}], "expected the key 'score' in result 0"),
    ],
)
def test_bad_results_are_one_sentence(tmp_path, content, message):
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load_results(tmp_path / "r.json", load_annotations(annotations(), 2, None), 2)


def test_results_of_other_categories_are_left_out_and_the_input_stays_as_it_is():
    truth, given = load_annotations(annotations(), 2, None), [*results(category_id=9), *results()]
    before = json.dumps(given)
    (entry,) = load_results(given, truth, 2)
    assert (entry["id"], entry["category_id"], entry["area"]) == (1, 3, 4 * 7)
    assert json.dumps(given) == before


def test_area_of_results_is_that_of_the_box_if_the_first_has_one():
    truth = load_annotations(annotations(), 2, None)
    boxed = [*results(bbox=[0, 0, 2, 3]), *results()]
    assert [entry["area"] for entry in load_results(boxed, truth, 2)] == [6, 28]
    assert [entry["area"] for entry in load_results(boxed[::-1], truth, 2)] == [28, 28]
