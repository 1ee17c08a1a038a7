"""The JSON Schema of results.json, by a validator where there is one, and by hand for the keys."""

import json
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest

from poserior.outputs import SCHEMA, category_ids, coco_entry, detection_entry, write_json_list
from poserior.skeletons import Skeleton

HANDS = Skeleton("hands", ("left_hand", "right_hand", "nose"), (), (("left_hand", "right_hand"),), (0.06, 0.06, 0.03))
TEXT = resources.files("poserior.outputs").joinpath("results.schema.json").read_text(encoding="utf-8")


def entry(full=True, dims=2, **changes):
    person = SimpleNamespace(
        keypoints=np.array([[1.5, 2.5, 3.0], [10, 20, 30], [-4, 5, 6]])[:, :dims],
        covariance=np.broadcast_to(np.eye(dims), (3, dims, dims)),
        visibility=np.array([0, 0.5, 1.0]),
        confidence=np.array([0.25, 1.0, 0.0]),
        score=0.5,
        box_xyxy=np.array([1.0, 2, 3, 4]),
        skeleton=HANDS,
        image_id="clip.mp4#12" if full else 7,
        area=12.5 if full else None,
        regions={0.9: SimpleNamespace(radius=np.array([1.0, np.inf, 2])), 0.975: SimpleNamespace(radius=np.ones(3))}
        if full
        else {},
        modes=SimpleNamespace(keypoints=np.ones((3, 2, dims)), weights=np.array([[1, 0], [0.6, 0.4], [0.5, 0.3]]))
        if full
        else None,
        component=1 if full else None,
    )
    return {**coco_entry(person), **changes}


def box(modes=3, covariance=True, **changes):
    detection = SimpleNamespace(
        box_xyxy=np.array([1.0, 2, 4, 8]),
        score=0.5,
        centre_score=0.75,
        category=1,
        categories=("ball", "kite"),
        component=2,
        weights=np.full(modes, 1 / modes),
        boxes_xyxy=np.arange(4.0 * modes).reshape(modes, 4),
        size_covariance=np.array([[4.0, 1.0], [1.0, 9.0]]) if covariance else np.full((2, 2), np.nan),
        expected_iou=0.625 if covariance else None,
        image_id="a.png",
    )
    return {**detection_entry(detection), **changes}


def test_what_is_written_has_the_keys_of_the_schema():
    person = json.loads(TEXT)["$defs"]["person"]
    assert person["properties"]["schema"]["const"] == SCHEMA
    full, least = entry(), entry(full=False)
    assert set(least) == set(person["required"])
    assert {key for key in full if not key.startswith("region_")} == set(person["properties"])
    assert [key for key in full if key.startswith("region_")] == ["region_90", "region_97.5"]


def test_a_box_is_corner_and_size_with_what_its_density_says():
    assert box() == {
        "schema": SCHEMA,
        "image_id": "a.png",
        "category_id": 2,
        "category": "kite",
        "bbox": [1, 2, 3, 6],
        "score": 0.5,
        "centre_score": 0.75,
        "component": 2,
        "size_covariance": [4, 1, 1, 9],
        "expected_iou": 0.625,
        "components": [[0, 1, 2, 2, 0.3333], [4, 5, 2, 2, 0.3333], [8, 9, 2, 2, 0.3333]],
    }
    properties = json.loads(TEXT)["$defs"]["box"]
    assert set(box()) == set(properties["properties"]) - {"keypoints"}
    assert set(box(modes=1, covariance=False)) == set(properties["required"])


def test_cocos_categories_have_cocos_ids():
    names = ["person", *(f"thing {n}" for n in range(1, 79)), "toothbrush"]
    names[11] = "stop sign"
    ids = category_ids(names)
    assert (len(ids), ids[0], ids[11], ids[79]) == (80, 1, 13, 90)
    assert not set(ids) & {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert category_ids(names[:79]) == list(range(1, 80))


@pytest.fixture
def check():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(json.loads(TEXT))
    return jsonschema.Draft202012Validator(json.loads(TEXT)).is_valid


def test_what_is_written_is_valid(tmp_path, check):
    entries = [entry(), entry(full=False), entry(dims=3), box(), box(modes=1, covariance=False)]
    write_json_list(tmp_path / "results.json", iter(entries))
    assert check(json.loads((tmp_path / "results.json").read_text()))
    assert check([])


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 1},
        {"image_id": 1.5},
        {"keypoints": [1, 2, None]},
        {"bbox": [1, 2, 3]},
        {"covariance": [[1, 0, 1]]},
        {"visibility": [1.5]},
        {"modes": [[[1, 2]]]},
        {"modes": [[[1, 2, 3]]]},
        {"region_90": [-1]},
        {"area": -1},
    ],
)
def test_what_is_wrong_is_invalid(check, change):
    assert check([entry()])
    assert not check([entry(**change)])
    assert not check([{key: value for key, value in entry().items() if key != "schema"}])


@pytest.mark.parametrize(
    "change",
    [{"bbox": [1, 2, 3]}, {"score": 2}, {"components": [[1, 2, 3, 4]]}, {"size_covariance": [1]}, {"schema": 1}],
)
def test_a_wrong_box_is_invalid(check, change):
    assert check([box()])
    assert not check([box(**change)])


def test_a_run_predicts_valid_entries(check):
    import torch

    from poserior import skeletons
    from poserior.inference import Predictor
    from poserior.models import ModelSpec, build_model

    spec = ModelSpec({"name": "test_resnet"}, {"class_path": "Mixture"}, skeletons.load("lsp14"), (64, 48))
    predictor = Predictor(build_model(spec), spec, device="cpu")
    image = torch.randint(0, 255, (90, 70, 3), dtype=torch.uint8)
    ((person,),) = predictor([image])
    assert check(json.loads(json.dumps([person.to_coco()])))
