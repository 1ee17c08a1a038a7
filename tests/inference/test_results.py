import json

import numpy as np
import pytest
import torch

from poserior import metrics, skeletons
from poserior.errors import InputError
from poserior.inference.results import labelled_people, results_to_evaluation

COCO = skeletons.load("coco17")
POINTS = skeletons.Skeleton("two", ("a", "b"), (), (), (0.05, 0.1))


def person(image_id, points, box, number=1, flags=(2, 2)):
    keypoints = [v for (x, y), flag in zip(points, flags, strict=True) for v in (x, y, flag)]
    return {"id": number, "image_id": image_id, "category_id": 1, "keypoints": keypoints, "bbox": box,
            "area": box[2] * box[3] / 2, "iscrowd": 0, "num_keypoints": sum(flag > 0 for flag in flags)}  # fmt: skip


def result(image_id, points, third=(0.5, 0.7), score=0.6):
    keypoints = [v for (x, y), s in zip(points, third, strict=True) for v in (x, y, s)]
    return {"image_id": image_id, "category_id": 1, "keypoints": keypoints, "score": score}


def annotations(*people):
    return {
        "images": [{"id": i} for i in sorted({p["image_id"] for p in people})],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": list(people),
    }


LEFT, RIGHT = [0, 0, 40, 40], [100, 0, 40, 40]


def test_each_person_has_the_better_of_the_results_around_it():
    truth = annotations(
        person(3, [(10, 10), (20, 20)], LEFT, 7),
        person(3, [(110, 10), (120, 20)], RIGHT, 8, flags=(1, 0)),
        person(4, [(10, 10), (20, 20)], LEFT, 9),
    )
    said = [
        result(3, [(112, 10), (1, 1)], score=0.1),
        result(3, [(15, 10), (20, 20)], score=0.9),
        result(3, [(11, 10), (20, 20)], third=(0.2, 0.3), score=0.4),
        result(5, [(10, 10), (20, 20)]),
    ]
    found = results_to_evaluation(said, truth, POINTS, "mine")
    assert found.annotation_id == (7, 8)  # nobody was found in picture 4
    assert found.image_id == (3, 3)
    assert found.score.tolist() == pytest.approx([0.4, 0.1])
    assert found.keypoints.tolist() == [[[11.5, 10.5], [20.5, 20.5]], [[112.5, 10.5], [1.5, 1.5]]]
    assert found.target.tolist() == [[[10.5, 10.5], [20.5, 20.5]], [[110.5, 10.5], [0, 0]]]
    assert found.target_visibility.tolist() == [[2, 2], [1, 0]]
    assert found.box_xyxy.tolist() == [[0, 0, 40, 40], [100, 0, 140, 40]]
    assert found.area.tolist() == [800, 800]
    assert found.confidence[0].tolist() == pytest.approx([0.2, 0.3])
    assert found.log_prob is None
    assert len(labelled_people(truth)) == 3


def test_one_result_serves_one_person_and_far_ones_serve_nobody():
    truth = annotations(person(1, [(10, 10), (20, 20)], LEFT, 1), person(1, [(12, 10), (22, 20)], LEFT, 2))
    found = results_to_evaluation([result(1, [(12, 10), (22, 20)])], truth, POINTS, "mine")
    assert found.annotation_id == (2,)
    far = [result(1, [(300, 300), (310, 310)])]
    with pytest.raises(InputError, match="check that image_id means the same"):
        results_to_evaluation(far, truth, POINTS, "mine")


def test_results_so_bad_that_oks_underflows_go_to_the_nearer():
    truth = annotations(person(1, [(0, 0), (0, 0)], [0, 0, 1000, 1000]))
    truth["annotations"][0]["area"] = 1.0
    said = [result(1, [(900, 900), (900, 900)], score=0.9), result(1, [(500, 500), (500, 500)], score=0.3)]
    assert results_to_evaluation(said, truth, POINTS, "x").score.tolist() == pytest.approx([0.3])


@pytest.mark.parametrize(
    ("thirds", "scores", "expected"),
    [
        ([(0.1, 0.2), (0.3, 0.9)], [0.5, 0.6], [[0.1, 0.2], [0.3, 0.9]]),  # confidences
        ([(1, 1), (1, 1)], [0.5, 0.6], [[0.5, 0.5], [0.6, 0.6]]),  # a constant
        ([(0, 1), (1, 1)], [0.5, 0.6], [[0.5, 0.5], [0.6, 0.6]]),  # flags
        ([(2, 1), (1, 2)], [0.5, 0.6], [[0.5, 0.5], [0.6, 0.6]]),  # flags
        ([(0.2, 0.2), (0.3, 0.3)], [0.5, 0.6], [[0.5, 0.5], [0.6, 0.6]]),  # the same number for all of a person
        ([(9.5, 4.0), (1.0, 2.0)], [3.0, 4.0], [[0.75, 0.75], [1.0, 1.0]]),  # logits, and a score without bound
        ([(1, 1), (1, 1)], [-1.0, 1.0], [[0.0, 0.0], [1.0, 1.0]]),
    ],
)
def test_what_the_third_number_means(thirds, scores, expected):
    people = [person(i, [(10, 10), (20, 20)], LEFT, i + 1) for i in range(2)]
    said = [result(i, [(10, 10), (20, 20)], thirds[i], scores[i]) for i in range(2)]
    found = results_to_evaluation(said, annotations(*people), POINTS, "x")
    assert found.confidence.flatten().tolist() == pytest.approx(np.ravel(expected).tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2, 3]}, "found 3 numbers"),
        ({"keypoints": None}, "found no list"),
        ({"keypoints": [1, 2, 3, 4, 5, "x"]}, "expected numbers"),
        ({"keypoints": [1, 2, 3, 4, float("nan"), 5]}, "result 1"),
        ({"score": "high"}, "score"),
    ],
)
def test_broken_results_are_refused(change, message):
    truth = annotations(person(1, [(10, 10), (20, 20)], LEFT))
    good = result(1, [(10, 10), (20, 20)])
    with pytest.raises(InputError, match=message):
        results_to_evaluation([good, good | change], truth, POINTS, "x")


def test_missing_keys_are_named():
    truth = annotations(person(1, [(10, 10), (20, 20)], LEFT))
    bare = {key: value for key, value in result(1, [(10, 10), (20, 20)]).items() if key != "score"}
    with pytest.raises(InputError, match="one without 'score'"):
        results_to_evaluation([bare], truth, POINTS, "x")


def test_digits_are_those_of_pycocotools_on_its_own_sample(real_data):
    from pycocotools.coco import COCO as Annotations
    from pycocotools.cocoeval import COCOeval

    results = json.loads(real_data("coco_keypoints/cocoapi_val2014_fakekeypoints100_results.json").read_text())
    rng = np.random.default_rng(0)
    people = []
    for n, said in enumerate(results):
        points = np.array(said["keypoints"], dtype=float).reshape(17, 3)
        size = np.ptp(points[:, :2], axis=0).max() + 10
        x, y = points[:, :2].min(0) - 5
        points[:, :2] += rng.normal(0, 0.06 * size, (17, 2))
        points[:, 2] = rng.choice([0, 1, 2], 17)
        people.append(
            {"id": n + 1, "image_id": said["image_id"], "category_id": 1, "iscrowd": 0, "area": 0.5 * size**2,
             "bbox": [x, y, size, size], "keypoints": points.flatten().tolist(),
             "num_keypoints": int((points[:, 2] > 0).sum())}
        )  # fmt: skip
    truth = {
        "images": [{"id": i} for i in sorted({p["image_id"] for p in people})],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": people,
    }
    evaluation = results_to_evaluation(results, truth, COCO, "fake")
    assert len(evaluation.image_id) == len(labelled_people(truth)) == 125

    gt = Annotations()
    gt.dataset = json.loads(json.dumps(truth))
    gt.createIndex()
    reference = COCOeval(gt, gt.loadRes(json.loads(json.dumps(results))), "keypoints")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    summary = metrics.summarise(evaluation, results, truth)
    assert [summary[key] for key in ("AP", "AP50", "AP75", "AR")] == pytest.approx(
        [reference.stats[i] for i in (0, 1, 2, 5)], abs=1e-12
    )
    assert 0.05 < summary["AP"] < 0.95
    # Pictures with a single person and a single result: our OKS is the one pycocotools matched by.
    single = [n for n, image_id in enumerate(evaluation.image_id) if evaluation.image_id.count(image_id) == 1]
    ours = metrics.oks(
        evaluation.keypoints, evaluation.target, evaluation.area, COCO.oks_sigmas, evaluation.target_visibility
    )
    theirs = [reference.ious[(evaluation.image_id[n], 1)].max() for n in single]
    assert ours[single].tolist() == pytest.approx(theirs, abs=1e-5)
    assert isinstance(ours, torch.Tensor)
