import json

import pytest

from poserior.errors import InputError
from poserior.pictures import BoxFile


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_annotations_by_file_name(tmp_path):
    content = {
        "images": [{"id": 8, "file_name": "train/a.jpg"}, {"id": 9, "file_name": "b.jpg"}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": 8, "category_id": 1, "bbox": [1, 2, 10, 20]},
            {"image_id": 8, "category_id": 2, "bbox": [1, 2, 3, 4]},
            {"image_id": 8, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"image_id": 8, "category_id": 1, "bbox": [0, 0, 0, 5]},
        ],
    }
    boxes = BoxFile(write(tmp_path / "a.json", content))
    found = boxes.of("a.jpg")
    assert len(boxes) == 1
    assert found.image_id == 8
    assert found.box_xyxy.tolist() == [[1, 2, 11, 22]]
    assert found.score.tolist() == [1]
    nobody = boxes.of("elsewhere/b.jpg")
    assert nobody.image_id == 9
    assert nobody.box_xyxy.shape == (0, 4)
    assert boxes.of("c.jpg") is None


@pytest.mark.parametrize(("image_id", "name"), [(139, "000000000139.jpg"), ("x1", "x1.png"), ("x1.png", "x1.png")])
def test_detections_by_id(tmp_path, image_id, name):
    detections = [
        {"image_id": image_id, "bbox": [1, 2, 3, 4], "score": 0.5, "category_id": 1},
        {"image_id": image_id, "bbox": [5, 5, 1, 1], "score": 0.1, "category_id": 1},
        {"image_id": image_id, "bbox": [5, 5, 1, 1], "score": 0.9, "category_id": 18},
    ]
    boxes = BoxFile(write(tmp_path / "d.json", detections))
    assert boxes.of(name).score.tolist() == pytest.approx([0.5, 0.1])
    assert boxes.of(name, min_score=0.3).box_xyxy.tolist() == [[1, 2, 4, 6]]
    assert boxes.of(name, min_score=0.95).box_xyxy.shape == (0, 4)


@pytest.mark.parametrize(
    "content",
    [
        3,
        {"images": []},
        [{"image_id": 1}],
        [{"image_id": 1, "bbox": [1, 2, 3]}],
        [{"image_id": 1, "bbox": [1, 2, 3, "x"]}],
        [{"image_id": 1, "bbox": [1, 2, float("nan"), 4]}],
        ["text"],
    ],
)
def test_other_forms_are_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"d\.json.*found"):
        BoxFile(write(tmp_path / "d.json", content))
