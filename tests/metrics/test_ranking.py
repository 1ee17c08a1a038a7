import copy

import numpy as np
import pytest

from poserior.metrics import coco_average_precision, ranking_frame

SIGMAS = (0.06, 0.1, 0.07)
SIDE = 100.0


def people(errors, per_picture=2, seed=0):
    """A person and a result for each error (a share of the side), several per picture, far apart."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for n, error in enumerate(errors):
        corner = np.array([300.0 * (n % per_picture), 0.0])
        points = corner + rng.uniform(20, 80, (3, 2))
        shift = rng.normal(size=(3, 2))
        shift *= error * SIDE / np.linalg.norm(shift, axis=1, keepdims=True)
        entry = {"image_id": n // per_picture, "category_id": 1, "bbox": [*corner.tolist(), SIDE, SIDE]}
        labels = np.concatenate([points, np.full((3, 1), 2)], 1).flatten().tolist()
        annotations.append(entry | {"id": n + 1, "keypoints": labels, "area": 4000.0, "num_keypoints": 3, "iscrowd": 0})
        found = np.concatenate([points + shift, np.ones((3, 1))], 1).flatten().tolist()
        results.append(entry | {"keypoints": found, "score": float(rng.random())})
    images = [{"id": n} for n in sorted({entry["image_id"] for entry in annotations})]
    return results, {"images": images, "categories": [{"id": 1, "name": "person"}], "annotations": annotations}


def rescored(results, scores):
    return [entry | {"score": float(score)} for entry, score in zip(results, scores, strict=True)]


def true_oks(results, annotations):
    """OKS of each result with its own person, in numpy."""
    values = []
    for result, person in zip(results, annotations["annotations"], strict=True):
        difference = (
            np.array(result["keypoints"]).reshape(3, 3)[:, :2] - np.array(person["keypoints"]).reshape(3, 3)[:, :2]
        )
        width = 2 * np.array(SIGMAS) * 4000**0.5
        values.append(np.exp(-(difference**2).sum(1) / (2 * width**2)).mean())
    return np.array(values)


@pytest.mark.parametrize("per_picture", [1, 3, 24])
def test_every_score_by_pycocotools_itself(per_picture):
    """24 in a picture are more than the 20 that COCO counts."""
    results, annotations = people(np.random.default_rng(1).uniform(0, 0.25, 24), per_picture)
    before = copy.deepcopy((results, annotations))
    frame = ranking_frame(results, annotations, SIGMAS, seeds=2)
    assert (results, annotations) == before

    def precision(scores):
        return coco_average_precision(rescored(results, scores), annotations, SIGMAS)["AP"]

    assert frame["AP_constant"] == precision(np.ones(24))
    draws = [np.random.default_rng(seed).random(24) for seed in range(2)]
    assert frame["AP_random"] == pytest.approx(np.mean([precision(draw) for draw in draws]), abs=1e-15)
    assert frame["AP_oracle"] == precision(true_oks(results, annotations))
    own = precision([entry["score"] for entry in results])
    assert frame["oracle_gap"] == pytest.approx(frame["AP_oracle"] - own, abs=1e-15)
    assert frame["oracle_gap"] > 0


def test_no_order_beats_the_oracle():
    results, annotations = people(np.random.default_rng(2).uniform(0, 0.3, 15), 3)
    best = ranking_frame(results, annotations, SIGMAS, seeds=1)["AP_oracle"]
    for seed in range(25):
        scores = np.random.default_rng(seed).random(15)
        assert coco_average_precision(rescored(results, scores), annotations, SIGMAS)["AP"] <= best


def test_by_hand_one_good_and_one_hopeless():
    """The hopeless one first: at each of the 10 demands precision is 1/2 up to a recall of 1/2, 51 of 101 steps."""
    results, annotations = people([0.0, 3.0], 1)
    results = rescored(results, [0.1, 0.9])
    frame = ranking_frame(results, annotations, SIGMAS)
    assert frame["AP_oracle"] == pytest.approx(51 / 101)
    assert frame["oracle_gap"] == pytest.approx(51 / 101 / 2)
    assert frame["AP_constant"] == pytest.approx(51 / 101)  # the good one's picture comes first


def test_a_perfect_score_has_no_gap_and_doubles_are_left_over():
    results, annotations = people([0.02, 0.05, 0.1, 0.15, 0.2], 5)
    ranked = rescored(results, true_oks(results, annotations))
    assert ranking_frame(ranked, annotations, SIGMAS)["oracle_gap"] == 0
    double = [entry | {"score": 2.0} for entry in copy.deepcopy(results)]
    shifted = [entry | {"keypoints": (np.array(entry["keypoints"]) + 4).tolist()} for entry in double]
    frame = ranking_frame([*shifted, *ranked], annotations, SIGMAS)
    # of two results for one person the better one counts, the other goes to the end and costs nothing
    assert frame["AP_oracle"] == ranking_frame(ranked, annotations, SIGMAS)["AP_oracle"]
    assert frame["oracle_gap"] > 0.05


def test_pictures_without_results_or_people():
    results, annotations = people([0.02, 0.1, 0.2, 0.05], 1)
    annotations["images"].append({"id": 77})
    alone = [results[0], results[3] | {"image_id": 77}]
    frame = ranking_frame(alone, annotations, SIGMAS)
    assert frame["AP_oracle"] == coco_average_precision(rescored(alone, [1, 0]), annotations, SIGMAS)["AP"]
    assert ranking_frame([], annotations, SIGMAS)["AP_oracle"] == 0
    nobody = annotations | {"annotations": []}
    assert all(np.isnan(value) for value in ranking_frame(results, nobody, SIGMAS).values())


def test_no_draws_are_refused():
    results, annotations = people([0.1], 1)
    with pytest.raises(ValueError, match="expected at least 1 draw of random scores, found 0"):
        ranking_frame(results, annotations, SIGMAS, seeds=0)
