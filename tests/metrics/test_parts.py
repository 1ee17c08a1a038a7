import contextlib
import copy
import io
import json

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior import skeletons
from poserior.metrics import average_precision_by_part, evaluation_to_coco, summarise
from poserior.skeletons import Skeleton
from poserior.structures import Evaluation

SIGMAS = (0.03, 0.1, 0.07, 0.05, 0.08)
SKELETON = Skeleton("five", tuple("abcde"), (), (), SIGMAS, (), (("body", ("a", "b")), ("left_hand", ("c", "d", "e"))))
KEYS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")


def official(results, annotations, key, score, sigmas):
    """COCO-WholeBody's rule written down anew: pycocotools on one part's list, scored by one number."""
    truth, found = COCO(), COCO()
    parts = [{**person, "keypoints": person[key]} for person in annotations["annotations"]]
    for person in parts:
        person["num_keypoints"] = int((np.array(person["keypoints"][2::3]) > 0).sum())
    said = [{**result, "keypoints": result[key], "score": score(result)} for result in results]
    for number, result in enumerate(said, 1):
        result.update(id=number, area=result["bbox"][2] * result["bbox"][3], iscrowd=0)
    for index, rows in ((truth, parts), (found, said)):
        index.dataset = {**annotations, "annotations": copy.deepcopy(rows)}
        with contextlib.redirect_stdout(io.StringIO()):
            index.createIndex()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(KEYS, evaluation.stats.tolist(), strict=True))


def scene(pictures=25):
    """People in COCO-WholeBody's form, some without a body or a hand, crowds, false alarms; confidences that help."""
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for picture in range(1, pictures + 1):
        for _ in range(rng.integers(1, 4)):
            side, corner = rng.uniform(30, 200), rng.uniform(0, 300, 2)
            points = corner + rng.uniform(0, side, (5, 2))
            flags = rng.integers(0, 3, 5) * np.repeat(rng.random(2) > 0.3, [2, 3])
            labels = np.concatenate([points * (flags > 0)[:, None], flags[:, None]], 1)
            person = {"image_id": picture, "category_id": 1, "bbox": [*corner.tolist(), float(side), float(side)]}
            annotations.append(
                person
                | {"id": len(annotations) + 1, "area": float(side * side * 0.5), "iscrowd": int(rng.random() < 0.1)}
                | {"keypoints": labels[:2].flatten().tolist(), "lefthand_kpts": labels[2:].flatten().tolist()}
            )
            spread = rng.uniform(0.01, 0.2, 5) * side
            found = points + rng.normal(0, 1, (5, 2)) * spread[:, None]
            accuracy = np.exp(-8 * np.linalg.norm(found - points, axis=1, keepdims=True) / side)
            triples = np.concatenate([found, accuracy], 1)
            results.append(
                person
                | {"keypoints": triples[:2].flatten().tolist(), "lefthand_kpts": triples[2:].flatten().tolist()}
                | {"score": float(rng.random())}
            )
    return results, {
        "images": [{"id": n} for n in range(1, pictures + 1)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": annotations,
    }


@pytest.mark.parametrize("given", ["lists", "files"])
def test_each_part_as_the_official_rule_has_it(given, tmp_path):
    results, annotations = scene()
    if given == "files":
        for name, content in (("results", results), ("annotations", annotations)):
            (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        ours = average_precision_by_part(tmp_path / "results.json", tmp_path / "annotations.json", SKELETON)
    else:
        ours = average_precision_by_part(results, annotations, SKELETON)
    for part, key, columns in (("body", "keypoints", slice(0, 2)), ("left_hand", "lefthand_kpts", slice(2, 5))):
        own = official(results, annotations, key, lambda r, k=key: float(np.mean(r[k][2::3])), SIGMAS[columns])
        person = official(results, annotations, key, lambda r: r["score"], SIGMAS[columns])
        expected = {name: own[name] for name in ("AP", "AP50", "AP75", "APM", "APL", "AR")}
        expected |= {"AP_person_score": person["AP"], "AR_person_score": person["AR"]}
        assert ours[part] == pytest.approx(expected, abs=1e-12)
        assert ours[part]["AP"] > ours[part]["AP_person_score"] + 0.02  # the confidences tell, the scores are chance
        assert ours[part]["AR"] == ours[part]["AR_person_score"]  # no more than 20 people in a picture


def test_visibility_weighs_and_a_given_score_comes_first():
    results, annotations = scene()
    rng = np.random.default_rng(1)
    for result in results:
        result["confidence"], result["visibility"] = rng.random(5).tolist(), rng.random(5).tolist()
    ours = average_precision_by_part(results, annotations, SKELETON)["left_hand"]

    def weighted(result):
        return float(np.average(result["confidence"][2:], weights=result["visibility"][2:]))

    assert ours["AP"] == pytest.approx(official(results, annotations, "lefthand_kpts", weighted, SIGMAS[2:])["AP"])
    for result in results:
        result["lefthand_score"] = -weighted(result)
    upside_down = average_precision_by_part(results, annotations, SKELETON)["left_hand"]
    expected = official(results, annotations, "lefthand_kpts", lambda r: -weighted(r), SIGMAS[2:])["AP"]
    assert upside_down["AP"] == pytest.approx(expected)
    assert upside_down["AP"] != ours["AP"]


def test_flags_in_the_third_place_are_no_confidence():
    results, annotations = scene()
    for result in results:
        for key in ("keypoints", "lefthand_kpts"):
            result[key][2::3] = [1.0, *([0.0] * (len(result[key]) // 3 - 1))]
    ours = average_precision_by_part(results, annotations, SKELETON)
    for values in ours.values():
        assert values["AP"] == values["AP_person_score"] > 0


def test_nobody_has_the_part_and_no_results():
    results, annotations = scene(3)
    for person in annotations["annotations"]:
        person["lefthand_valid"] = False
    ours = average_precision_by_part(results, annotations, SKELETON)
    assert np.isnan(ours["left_hand"]["AP"])
    assert ours["body"]["AP"] > 0
    assert average_precision_by_part([], annotations, SKELETON)["body"]["AP"] == 0
    with pytest.raises(ValueError, match="expected a skeleton with parts, found coco17 without"):
        average_precision_by_part(results, annotations, skeletons.load("coco17"))


def people(count=14):
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(count, 5, 2, generator=generator) * 100 + 20
    return Evaluation(
        name="x",
        skeleton=SKELETON,
        image_id=tuple(range(count)),
        annotation_id=tuple(range(count)),
        keypoints=target + 5 * torch.randn(count, 5, 2, generator=generator),
        confidence=torch.rand(count, 5, generator=generator),
        visibility=torch.rand(count, 5, generator=generator),
        score=torch.rand(count, generator=generator),
        target=target,
        target_visibility=torch.randint(0, 3, (count, 5), generator=generator),
        area=torch.full((count,), 6000.0),
        box_xyxy=torch.tensor([[20.0, 20.0, 120.0, 120.0]]).expand(count, 4),
    )


def test_a_summary_has_the_parts():
    evaluation = people()
    summary = summarise(evaluation)
    assert list(summary["per_part"]) == ["body", "left_hand"]
    results, annotations = evaluation_to_coco(evaluation)[::-1]
    for part, values in average_precision_by_part(results, annotations, SKELETON).items():
        ours = {key: float("nan") if (v := summary["per_part"][part][key]) is None else v for key in values}
        assert ours == pytest.approx(values, nan_ok=True)
    labelled = evaluation.target_visibility > 0
    assert summary["per_part"]["left_hand"]["num_keypoints"] == int(labelled[:, 2:].sum())
    sums = {name: summary["per_keypoint"][name]["EPE"] * int(labelled[:, k].sum()) for k, name in enumerate("abcde")}
    expected = (sums["c"] + sums["d"] + sums["e"]) / int(labelled[:, 2:].sum())
    assert summary["per_part"]["left_hand"]["EPE"] == pytest.approx(expected, rel=1e-5)
    json.dumps(summary, allow_nan=False)


def test_real_whole_body_annotations(real_data):
    annotations = json.loads(real_data("mmpose_samples/coco/test_coco_wholebody.json").read_text())
    rng = np.random.default_rng(0)
    keys = skeletons.part_keys(skeletons.load("coco133"))
    results = []
    for person in annotations["annotations"]:
        result = {"image_id": person["image_id"], "category_id": 1, "score": float(rng.random())}
        for key in keys.values():
            points = np.reshape(person[key], (-1, 3)).astype(float)
            points[:, :2] += rng.normal(0, person["area"] ** 0.5 / 60, (len(points), 2))
            points[:, 2] = rng.random(len(points))
            result[key] = points.flatten().tolist()
        results.append(result | {"bbox": person["bbox"]})
    whole = skeletons.load("coco133")
    ours = average_precision_by_part(results, annotations, whole)
    for part, key in keys.items():
        sigmas = [whole.oks_sigmas[k] for k in whole.part_indices[part]]
        own = official(results, annotations, key, lambda r, k=key: float(np.mean(r[k][2::3])), sigmas)
        assert ours[part]["AP"] == pytest.approx(own["AP"], abs=1e-12)
        assert 0 < ours[part]["AP"] < 1
