import contextlib
import copy
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior import skeletons
from poserior.analyses import (
    displaced_average_precision,
    displaced_truth,
    keypoint_subsets,
    subset_average_precision,
)
from poserior.errors import InputError
from poserior.json_files import read_json

COCO17 = skeletons.load("coco17")


def crowd_of_people(rng, pictures=6):
    people, results = [], []
    for n in range(3 * pictures):
        x, y = rng.uniform(0, 200, 2)
        width, height = rng.uniform(40, 150, 2)
        points = np.stack([rng.uniform(x, x + width, 17), rng.uniform(y, y + height, 17)], 1)
        flags = rng.integers(0, 3, 17) * (rng.random(17) < 0.6)
        truth = np.concatenate([np.where(flags[:, None] > 0, points, 0), flags[:, None]], 1)
        shared = {"image_id": n % pictures + 1, "category_id": 1, "bbox": [x, y, width, height]}
        people.append(
            shared
            | {
                "id": n + 1, "keypoints": truth.flatten().tolist(), "num_keypoints": int((flags > 0).sum()),
                "area": 0.5 * width * height, "iscrowd": 0,
            }
        )  # fmt: skip
        said = points + rng.normal(0, rng.choice([1.0, 4.0, 12.0]), points.shape)
        answer = np.concatenate([said, np.ones((17, 1))], 1).flatten().tolist()
        results.append(shared | {"keypoints": answer, "score": float(rng.random())})
    images = [{"id": i + 1} for i in range(pictures)]
    return {"images": images, "categories": [{"id": 1, "name": "person"}], "annotations": people}, results


def by_pycocotools(annotations, results, members):
    annotations = copy.deepcopy(annotations)
    for person in annotations["annotations"]:
        flags = person["keypoints"][2::3]
        person["keypoints"][2::3] = [flag if k in members else 0 for k, flag in enumerate(flags)]
        person["num_keypoints"] = sum(flag > 0 for flag in person["keypoints"][2::3])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def test_subsets_against_pycocotools_with_only_these_keypoints():
    annotations, results = crowd_of_people(np.random.default_rng(3))
    found = subset_average_precision(results, annotations, COCO17)
    assert list(found) == list(keypoint_subsets(COCO17))
    for name, members in keypoint_subsets(COCO17).items():
        expected = by_pycocotools(annotations, results, members)
        assert found[name]["AP"] == pytest.approx(expected[0], abs=1e-12), name
        assert found[name]["AP75"] == pytest.approx(expected[2], abs=1e-12), name
    assert len({round(values["AP"], 6) for values in found.values()}) > 5  # the subsets differ


def test_subsets_of_other_skeletons():
    assert set(keypoint_subsets(skeletons.load("lsp14"))) >= {"all", "wrists", "hips", "ankles"}
    assert "nose" not in keypoint_subsets(skeletons.load("lsp14"))


def test_every_keypoint_moves_by_the_distance_and_unlabelled_ones_stay_with_the_person():
    annotations, _ = crowd_of_people(np.random.default_rng(5))
    for way, length in (("circle", 2.5), ("diagonal", 2.5 * 2**0.5)):
        moved = displaced_truth(annotations, 2.5, seed=1, way=way)
        by_id = dict(enumerate(annotations["annotations"]))
        assert len(moved) == sum(p["num_keypoints"] > 0 for p in by_id.values())
        people = [p for p in by_id.values() if p["num_keypoints"]]
        for person, result in zip(people, moved, strict=True):
            truth, said = (np.reshape(r["keypoints"], (17, 3)) for r in (person, result))
            labelled = truth[:, 2] > 0
            distance = np.linalg.norm(said - truth, axis=1)
            np.testing.assert_allclose(distance[labelled], length)
            x, y, width, height = person["bbox"]
            np.testing.assert_allclose(said[~labelled, :2] - [x + width / 2, y + height / 2], 0, atol=1e-9)
    assert displaced_truth(annotations, 1, seed=1) != displaced_truth(annotations, 1, seed=2)


def test_the_displaced_oks_of_one_person_by_hand():
    points = [[100.0 + 5 * k, 100.0 + 7 * k, 2] for k in range(17)]
    person = {
        "id": 1, "image_id": 1, "category_id": 1, "keypoints": [v for p in points for v in p], "num_keypoints": 17,
        "area": 32.0**2, "bbox": [90, 90, 120, 130], "iscrowd": 0,
    }  # fmt: skip
    annotations = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "person"}], "annotations": [person]}
    found = displaced_average_precision(annotations, COCO17, (0, 2))
    assert found["0 px"]["all"] == pytest.approx(1)
    nose = math.exp(-4 / (2 * 32.0**2 * (2 * 0.026) ** 2))  # 0.49: below every threshold
    hips = math.exp(-4 / (2 * 32.0**2 * (2 * 0.107) ** 2))  # 0.958: above all
    assert (nose < 0.5, hips > 0.95) == (True, True)
    assert found["2 px"]["nose"] == 0
    assert found["2 px"]["hips"] == pytest.approx(1)


@pytest.mark.parametrize(("distance", "way"), [(-1, "circle"), (math.nan, "circle"), (1, "up")])
def test_bad_input(distance, way):
    with pytest.raises(InputError, match="expected a"):
        displaced_truth({"annotations": []}, distance, way=way)


def test_the_paper_table_of_displaced_truth_on_real_labels(real_data):
    """Table 6, displaced by 2, on every eighth picture: the paper's own way is not told; both axes come near it."""
    content = read_json(real_data("coco_keypoints") / "person_keypoints_val2017_rebuilt.json.gz")
    chosen = {image["id"] for image in content["images"][::8]}
    part = {
        "images": [image for image in content["images"] if image["id"] in chosen],
        "categories": content["categories"],
        "annotations": [person for person in content["annotations"] if person["image_id"] in chosen],
    }
    found = displaced_average_precision(part, COCO17, (2,), way="diagonal")["2 px"]
    paper = {"all": 80.4, "facial": 47.4, "non-facial": 93.4, "nose": 42.3, "ears": 59.8, "shoulders": 93.4,
             "wrists": 86.8, "hips": 97.2, "ankles": 91.7}  # fmt: skip
    assert {name: 100 * value for name, value in found.items()} == pytest.approx(paper, abs=5)
