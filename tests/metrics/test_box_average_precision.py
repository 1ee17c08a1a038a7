import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior.errors import InputError
from poserior.metrics import coco_box_average_precision


def noisy(seed, pictures=12, categories=3):
    """Annotations and results with misses, false alarms, crowds, ties and all three sizes."""
    rng = np.random.default_rng(seed)
    truth, found = [], []
    for picture in range(1, pictures + 1):
        for _ in range(int(rng.integers(0, 6))):
            x, y, width, height = (*rng.uniform(0, 300, 2), *np.exp(rng.uniform(2, 5.5, 2)))
            category = int(rng.integers(1, categories + 1))
            box = [float(value) for value in (x, y, width, height)]
            row = {"image_id": picture, "category_id": category, "bbox": box, "area": 0.7 * width * height}
            truth.append(row | {"iscrowd": int(rng.random() < 0.15), "id": len(truth) + 1})
            for _ in range(int(rng.integers(0, 3))):
                moved = [
                    float(value) for value in np.array(box) + rng.normal(0, 0.08, 4) * [width, height, width, height]
                ]
                score = float(rng.integers(1, 20)) / 20
                found.append({"image_id": picture, "category_id": category, "bbox": moved, "score": score})
    lists = {"images": [{"id": n} for n in range(1, pictures + 1)]}
    lists["categories"] = [{"id": n, "name": str(n)} for n in range(1, categories + 1)]
    return lists | {"annotations": truth}, found


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_pycocotools_from_files(seed, tmp_path):
    annotations, results = noisy(seed)
    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    truth.write_text(json.dumps(annotations), encoding="utf-8")
    found.write_text(json.dumps(results), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        judge = COCOeval(coco, coco.loadRes(str(found)), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    ours = coco_box_average_precision(found, truth)
    assert list(ours.values()) == judge.stats.tolist()
    assert 0 < ours["AP"] < ours["AP50"] < 1
    assert coco_box_average_precision(results, annotations) == ours


def test_names_as_ids_other_numbers_and_one_category():
    annotations, results = noisy(4)
    expected = coco_box_average_precision(results, annotations)

    def renamed(rows):
        return [row | {"image_id": f"p{row['image_id']:02d}", "category_id": 10 * row["category_id"]} for row in rows]

    lists = {"images": [{"id": f"p{n:02d}"} for n in range(1, 13)], "categories": [{"id": 10 * n} for n in (1, 2, 3)]}
    lists["annotations"] = [
        {key: row[key] for key in row if key != "id"} for row in renamed(annotations["annotations"])
    ]
    assert coco_box_average_precision(renamed(results), lists) == expected
    only = [row for row in annotations["annotations"] if row["category_id"] == 2]
    alone = coco_box_average_precision(
        [row for row in results if row["category_id"] == 2], annotations | {"annotations": only}, category_id=2
    )
    assert coco_box_average_precision(results, annotations, category_id=2) == alone


def test_by_hand():
    picture = {"images": [{"id": 5}], "categories": [{"id": 1}]}
    truth = picture | {"annotations": [{"image_id": 5, "category_id": 1, "bbox": [0, 0, 10, 10]}]}
    # IoU 0.8: right for the thresholds .5 to .8, seven of ten
    found = [{"image_id": 5, "category_id": 1, "bbox": [0, 0, 10, 8], "score": 0.4}]
    values = coco_box_average_precision(found, truth)
    assert values["AP"] == pytest.approx(0.7)
    assert (values["AP50"], values["AP75"], values["APS"]) == pytest.approx((1, 1, 0.7))
    assert np.isnan(values["APL"])
    assert coco_box_average_precision([], truth)["AP"] == 0
    assert np.isnan(coco_box_average_precision([], picture | {"annotations": []})["AP"])


@pytest.mark.parametrize(
    ("found", "truth", "text"),
    [
        ({"image_id": 9}, {}, "image_id that the annotations list, such as 5, found 9 in result 0"),
        ({"category_id": 3}, {}, r"expected a category of annotations \(1\) in result 0 of results, found 3"),
        ({"score": float("nan")}, {}, "finite number as 'score' of result 0 of results"),
        ({"bbox": [1, 2, 3]}, {}, "expected 4 finite numbers as 'bbox' of result 0"),
        ({}, {"bbox": [1, 2, None, 3]}, "expected 4 finite numbers as 'bbox' of annotation number 0"),
        ({}, {"area": -1}, "expected a number as 'area' of annotation number 0 .*, not negative, found -1"),
        ({}, {"category_id": "cat"}, "expected a whole number as 'category_id' of annotation number 0"),
    ],
)
def test_what_cannot_be_used_is_named(found, truth, text):
    box = {"image_id": 5, "category_id": 1, "bbox": [0, 0, 10, 10]}
    lists = {"images": [{"id": 5}], "categories": [{"id": 1}], "annotations": [box | truth]}
    with pytest.raises(InputError, match=text) as error:
        coco_box_average_precision([box | {"score": 0.5} | found], lists)
    assert "\n" not in str(error.value)


def test_other_arguments(tmp_path):
    with pytest.raises(InputError, match=r"expected a category of annotations \(\), found 2; choose one"):
        coco_box_average_precision([], {"images": [], "annotations": []}, category_id=2)
    path = tmp_path / "three.json"
    path.write_text("3", encoding="utf-8")
    with pytest.raises(InputError, match=r"expected a list of COCO results in .*three.json, found int"):
        coco_box_average_precision(path, {"images": [], "annotations": []})
