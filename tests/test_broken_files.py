"""Broken files by the thousand: whatever is in them, the answer is a result or one sentence, never a traceback."""

import json

import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings

from poserior import skeletons
from poserior.datasets import CocoKeypoints
from poserior.errors import InputError
from poserior.inference import results_to_evaluation
from poserior.outputs import read_annotations, read_results
from poserior.pictures import BoxFile

SKELETON = skeletons.Skeleton(
    "trio", ("nose", "left_hand", "right_hand"), ((0, 1),), (("left_hand", "right_hand"),), (0.03, 0.06, 0.06)
)
MANY = settings(
    max_examples=1000, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def annotations():
    people = [
        {"id": 10 + n, "image_id": 1 + n % 2, "category_id": 1, "keypoints": [9 + n, 8, 2, 20, 14, 1, 0, 0, 0],
         "bbox": [4, 3, 30 - n, 20], "area": 311.5, "iscrowd": int(n == 3), "num_keypoints": 2}
        for n in range(4)
    ]  # fmt: skip
    images = [{"id": n, "file_name": f"{n}.png", "width": 44, "height": 33} for n in (1, 2)]
    category = {"id": 1, "name": "person", "keypoints": list(SKELETON.keypoints), "skeleton": [[1, 2]]}
    return {"images": images, "annotations": people, "categories": [category]}


def results():
    return [
        {"image_id": 1 + n % 2, "category_id": 1, "score": 0.3 + 0.1 * n, "bbox": [4, 3, 30, 20],
         "keypoints": [9 + n, 8.5, 0.9, 20, 14, 0.3, 5, 6, 0.1]}
        for n in range(4)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures")
    for n in (1, 2):
        assert cv2.imwrite(str(path / f"{n}.png"), np.full((33, 44, 3), 40 * n, np.uint8))
    return path


def survives(action):
    """Whether `action` gave an answer; a refusal must be one sentence."""
    message = "one sentence"
    try:
        action()
    except InputError as refusal:
        message = str(refusal)
    assert "\n" not in message
    assert len(message) < 600
    return message == "one sentence"


def test_annotation_files(folder, mutated):
    outcomes = []

    @MANY
    @given(mutated(annotations()))
    def check(content):
        file = folder / "annotations.json"
        file.write_text(json.dumps(content))

        def read():
            people = CocoKeypoints(file, folder, SKELETON)
            for index in range(len(people)):
                sample = people[index]
                assert torch.isfinite(sample.keypoints).all()
                assert (sample.box_xyxy[2:] > sample.box_xyxy[:2]).all()
                assert sample.area > 0

        outcomes.append(survives(read))

    check()
    assert 0.1 < np.mean(outcomes) < 0.9  # some changes are harmless, most are not


def test_detection_files(folder, mutated):
    @MANY
    @given(mutated([{"image_id": 1, "bbox": [1, 2, 9, 8], "score": 0.5, "category_id": 1} for _ in range(3)]))
    def check(content):
        file = folder / "detections.json"
        file.write_text(json.dumps(content))

        def read():
            found = BoxFile(file).of("1.png")
            assert found is None or np.isfinite(found.box_xyxy).all()

        survives(read)

    check()


@pytest.mark.parametrize("broken", ["results", "annotations"])
def test_results_files_beside_annotations(folder, mutated, broken):
    outcomes = []

    @MANY
    @given(mutated(results() if broken == "results" else annotations()))
    def check(content):
        files = {"results": results(), "annotations": annotations()} | {broken: content}
        for name, value in files.items():
            (folder / f"{name}.json").write_text(json.dumps(value))

        def read():
            evaluation = results_to_evaluation(
                read_results(folder / "results.json"), read_annotations(folder / "annotations.json"), SKELETON, "x"
            )
            assert torch.isfinite(evaluation.keypoints).all()
            assert torch.isfinite(evaluation.confidence).all()

        outcomes.append(survives(read))

    check()
    assert 0.1 < np.mean(outcomes) < 0.9


def test_skeleton_files(folder, mutated):
    @MANY
    @given(mutated(yaml.safe_load(skeletons.to_yaml(SKELETON))))
    def check(content):
        file = folder / "skeleton.yaml"
        file.write_text(yaml.safe_dump(content))
        survives(lambda: skeletons.load(file))

    check()
