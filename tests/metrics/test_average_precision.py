import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior.errors import InputError
from poserior.json_files import read_json
from poserior.metrics import CocoKeypointAP, coco_average_precision, evaluation_to_coco
from poserior.skeletons import Skeleton
from poserior.structures import Evaluation

KEYS = ["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
SIGMAS = (0.03, 0.1, 0.07, 0.05, 0.08)
SKELETON = Skeleton("five", tuple("abcde"), (), (), SIGMAS)


def official(results, annotations, sigmas):
    """The numbers as everybody computes them, -1 where there is no object."""
    truth = COCO()
    truth.dataset = copy.deepcopy(annotations)
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.asarray(sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def scene(seed=0, pictures=12, with_boxes=False):
    """Several people per picture, some crowds, some without labels, missed people, false alarms, equal scores."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for picture in range(pictures):
        for _ in range(rng.integers(0, 5)):
            side, corner = rng.uniform(20, 200), rng.uniform(0, 300, 2)
            points = corner + rng.uniform(0, side, (5, 2))
            visibility = rng.integers(0, 3, 5) * (rng.random() > 0.2)
            labels = np.concatenate([points * (visibility > 0)[:, None], visibility[:, None]], 1)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": picture * 3 + 5,
                    "category_id": 1,
                    "keypoints": labels.round(2).flatten().tolist(),
                    "num_keypoints": int((visibility > 0).sum()),
                    "bbox": [*corner.tolist(), float(side), float(side)],
                    "area": float(side * side * 0.5),
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
            for _ in range(rng.integers(0, 3)):
                found = points + rng.normal(0, side * 0.06, (5, 2))
                entry = {
                    "image_id": picture * 3 + 5,
                    "category_id": 1,
                    "keypoints": np.concatenate([found, np.ones((5, 1))], 1).flatten().tolist(),
                    "score": float(rng.random().__round__(1)),
                }
                results.append(entry | ({"bbox": annotations[-1]["bbox"]} if with_boxes else {}))
    images = [{"id": picture * 3 + 5} for picture in range(pictures)]
    return results, {"images": images, "categories": [{"id": 1, "name": "person"}], "annotations": annotations}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("with_boxes", [False, True])
def test_pycocotools_digits_for_five_keypoints(seed, with_boxes, capsys):
    results, annotations = scene(seed, with_boxes=with_boxes)
    expected = official(results, annotations, SIGMAS)
    capsys.readouterr()
    before = json.dumps([results, annotations])
    ours = coco_average_precision(results, annotations, SIGMAS)
    assert capsys.readouterr().out == ""
    assert list(ours) == KEYS
    assert list(ours.values()) == expected
    assert 0 < ours["AP"] < ours["AP50"] < 1
    assert json.dumps([results, annotations]) == before


def test_files_give_the_same_as_what_they_hold(tmp_path):
    results, annotations = scene()
    (tmp_path / "r.json").write_text(json.dumps(results))
    (tmp_path / "a.json").write_text(json.dumps(annotations))
    from_files = coco_average_precision(tmp_path / "r.json", str(tmp_path / "a.json"), SIGMAS)
    assert from_files == coco_average_precision(results, annotations, SIGMAS)


def test_without_results_precision_is_zero():
    ours = coco_average_precision([], scene()[1], SIGMAS)
    assert all(value == 0 for value in ours.values())


def test_without_objects_nothing_is_defined():
    results, annotations = scene()
    ours = coco_average_precision(results, annotations | {"annotations": []}, SIGMAS)
    assert all(np.isnan(value) for value in ours.values())
    assert all(
        np.isnan(value) for value in coco_average_precision([], {"images": [], "annotations": []}, SIGMAS).values()
    )


def test_a_range_without_objects_is_not_defined():
    results, annotations = scene()
    for person in annotations["annotations"]:
        person["area"] = 3000.0
    ours = coco_average_precision(results, annotations, SIGMAS)
    assert np.isnan(ours["APL"])
    assert ours["APM"] >= ours["AP"] > 0  # M leaves out the false alarms of another size


def test_ids_from_zero_and_ids_given_twice_count_like_any_other():
    results, annotations = scene()
    expected = coco_average_precision(results, annotations, SIGMAS)
    for person in annotations["annotations"]:
        person["id"] -= 1
    assert coco_average_precision(results, annotations, SIGMAS) == expected
    for person in annotations["annotations"]:
        person["id"] = 0
    assert coco_average_precision(results, annotations, SIGMAS) == expected


def test_pictures_may_have_names():
    results, annotations = scene()
    expected = coco_average_precision(results, annotations, SIGMAS)
    for entry in [*results, *annotations["annotations"]]:
        entry["image_id"] = f"{entry['image_id']:05d}.jpg"
    annotations["images"] = [{"id": f"{picture['id']:05d}.jpg"} for picture in annotations["images"]]
    assert coco_average_precision(results, annotations, SIGMAS) == expected


def test_a_wrong_skeleton_is_one_sentence():
    results, annotations = scene()
    with pytest.raises(InputError, match=r"expected 12 numbers \(x, y, v of 4 keypoints\) .* found 15 values"):
        coco_average_precision(results, annotations, SIGMAS[:4])


def evaluation(n=14, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 300
    side = torch.rand(n, 1, generator=generator, dtype=torch.float64) * 180 + 30
    target = corner[:, None] + side[:, None] * torch.rand(n, 5, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, 5, 2, generator=generator, dtype=torch.float64) * side[:, None] * 0.06
    visibility = torch.randint(0, 3, (n, 5), generator=generator)
    visibility[3] = 0
    confidence = torch.rand(n, 5, generator=generator, dtype=torch.float64)
    return Evaluation(
        name="test",
        skeleton=SKELETON,
        image_id=tuple(i // 3 for i in range(n)),
        annotation_id=tuple(range(n)),
        keypoints=target + noise,
        confidence=confidence,
        score=confidence.mean(1),
        target=torch.where(visibility[..., None] > 0, target, 0.0),
        target_visibility=visibility,
        area=0.5 * side[:, 0] ** 2,
        box_xyxy=torch.cat([corner, corner + side], 1),
    )


def test_evaluation_as_coco_is_scored_as_the_official_tool_scores_it():
    people = evaluation()
    annotations, results = evaluation_to_coco(people)
    json.dumps([annotations, results], allow_nan=False)
    shifted = copy.deepcopy(annotations)
    for person in shifted["annotations"]:
        person["id"] += 1
    ours = coco_average_precision(results, annotations, SIGMAS)
    assert list(ours.values()) == official(results, shifted, SIGMAS)
    assert 0 < ours["AP"] < 1
    assert annotations["annotations"][2]["num_keypoints"] == int((people.target_visibility[2] > 0).sum())
    first = people.keypoints[0, 0].tolist()
    assert results[0]["keypoints"][:2] == pytest.approx([first[0] - 0.5, first[1] - 0.5])


def test_evaluation_against_the_annotations_of_a_file():
    people = evaluation()
    annotations, results = evaluation_to_coco(people, category_id=5)
    crowd = annotations["annotations"][0] | {
        "id": 99,
        "iscrowd": 1,
        "bbox": [-1e4, -1e4, 3e4, 3e4],
        "keypoints": [0] * 15,
    }
    annotations["annotations"].append(crowd)
    annotations["images"].append({"id": 77})
    ours = coco_average_precision(results, annotations, SIGMAS)
    # in the crowd's picture a failed answer is no false alarm any more
    assert ours["AP"] >= coco_average_precision(*evaluation_to_coco(people)[::-1], SIGMAS)["AP"] > 0
    assert {entry["category_id"] for entry in results} == {5}


def test_a_perfect_evaluation_has_precision_one():
    people = evaluation()
    perfect = replace(people, keypoints=people.target)
    annotations, results = evaluation_to_coco(perfect)
    assert coco_average_precision(results, annotations, SIGMAS)["AP"] == pytest.approx(1)


def test_class_gives_the_function_over_batches():
    people = evaluation()
    metric = CocoKeypointAP(SIGMAS)
    for part in (slice(0, 4), slice(4, 14)):
        metric.update(
            people.keypoints[part],
            people.target[part],
            people.target_visibility[part],
            people.area[part],
            people.box_xyxy[part],
            people.score[part],
            torch.tensor(people.image_id[part]),
        )
    annotations, results = evaluation_to_coco(people)
    expected = coco_average_precision(results, annotations, SIGMAS)
    assert {key: value.item() for key, value in metric.compute().items()} == pytest.approx(expected, nan_ok=True)


def test_pycocotools_digits_on_real_people(real_data):
    annotations = read_json(real_data("coco_keypoints/person_keypoints_val2017_rebuilt.json.gz"))
    kept = {picture["id"] for picture in annotations["images"][:150]}
    annotations["images"] = annotations["images"][:150]
    annotations["annotations"] = [p for p in annotations["annotations"] if p["image_id"] in kept]
    rng = np.random.default_rng(0)
    results = []
    for person in annotations["annotations"]:
        points = np.reshape(person["keypoints"], (17, 3)) + np.append(rng.normal(0, person["area"] ** 0.5 / 12, 2), 0)
        entry = {"image_id": person["image_id"], "category_id": 1, "score": float(rng.random())}
        results.append(entry | {"keypoints": points.flatten().tolist()})
    sigmas = COCOeval(iouType="keypoints").params.kpt_oks_sigmas
    ours = coco_average_precision(results, annotations, sigmas.tolist())
    assert list(ours.values()) == official(results, annotations, sigmas)
    assert 0.1 < ours["AP"] < 0.9
