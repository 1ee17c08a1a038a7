import dataclasses
import json

import pytest
import torch

from poserior import skeletons
from poserior.structures import Modes, Prediction, Region, Target

LSP = skeletons.load("lsp14")


def prediction(**changes) -> Prediction:
    content = {
        "keypoints": torch.tensor([[1.5, 2.5], [10.25, 20.75]] + [[3.0, 4.0]] * 12),
        "covariance": torch.tensor([[[4.0, 1.0], [1.0, 9.0]]]).expand(14, 2, 2),
        "visibility": torch.linspace(0, 1, 14),
        "confidence": torch.tensor([0.25, 0.5] + [1.0] * 12),
        "score": 0.75,
        "box_xyxy": torch.tensor([1.0, 2.0, 11.0, 22.0]),
        "skeleton": LSP,
        "image_id": 42,
    }
    return Prediction(**{**content, **changes})


def test_cocos_results_by_hand() -> None:
    entry = prediction().to_coco(category_id=3)
    assert json.loads(json.dumps(entry)) == entry
    assert entry["image_id"] == 42
    assert entry["category_id"] == 3
    assert entry["keypoints"][:6] == [1.0, 2.0, 0.25, 9.75, 20.25, 0.5]  # half a pixel off: indices
    assert len(entry["keypoints"]) == 42
    assert entry["score"] == 0.75
    assert entry["bbox"] == [1.0, 2.0, 10.0, 20.0]
    assert entry["covariance"][13] == [4.0, 1.0, 1.0, 9.0]
    assert entry["visibility"][-1] == 1.0
    assert entry["confidence"][:2] == [0.25, 0.5]


def test_results_can_be_read_by_pycocotools() -> None:
    from pycocotools.coco import COCO

    truth = COCO()
    truth.dataset = {"images": [{"id": 42}], "annotations": [], "categories": [{"id": 1}], "info": {}}
    truth.createIndex()
    loaded = truth.loadRes([prediction().to_coco()])
    assert loaded.anns[1]["keypoints"][:2] == [1.0, 2.0]


def test_the_area_is_written_where_it_is_known_and_cocos_tools_pass_it_over() -> None:
    from pycocotools.coco import COCO

    assert "area" not in prediction().to_coco()
    assert prediction().to_dict()["area"] is None
    entry = prediction(area=123.45678).to_coco()
    assert entry["area"] == 123.457
    assert prediction(area=123.5).to_dict()["area"] == 123.5
    truth = COCO()
    truth.dataset = {"images": [{"id": 42}], "annotations": [], "categories": [{"id": 1}], "info": {}}
    truth.createIndex()
    assert truth.loadRes([entry]).anns[1]["area"] == 10 * 20  # the box's, as without it


def test_plain_values_keep_the_librarys_convention() -> None:
    entry = prediction(image_id="a.png").to_dict()
    assert json.loads(json.dumps(entry)) == entry
    assert entry["keypoints"][1] == [10.25, 20.75]
    assert entry["box_xyxy"] == [1.0, 2.0, 11.0, 22.0]
    assert entry["keypoint_names"][:2] == ["right_ankle", "right_knee"]
    assert (entry["image_id"], entry["skeleton"], entry["score"]) == ("a.png", "lsp14", 0.75)
    assert entry["covariance"][0] == [[4.0, 1.0], [1.0, 9.0]]


def test_three_dimensions_write_their_first_two_to_coco() -> None:
    solid = prediction(keypoints=torch.full((14, 3), 2.5), covariance=torch.eye(3).expand(14, 3, 3))
    entry = solid.to_coco()
    assert entry["keypoints"][:3] == [2.0, 2.0, 0.25]
    assert len(entry["covariance"][0]) == 9


def test_what_counts_is_what_is_labelled() -> None:
    target = Target(
        keypoints=torch.zeros(2, 3, 2),
        visibility=torch.tensor([[0, 1, 2], [2, 0, 0]]),
        area=torch.ones(2),
        box_xyxy=torch.zeros(2, 4),
        crop=torch.zeros(2, 2, 3, dtype=torch.float64),
        image_id=(1, "b"),
        annotation_id=(1, 2),
        head_size=torch.full((2,), torch.nan),
    )
    assert target.labelled.tolist() == [[False, True, True], [True, False, False]]


def test_records_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction().score = 1.0


def test_shapes_are_checked_in_the_tests() -> None:
    with pytest.raises(TypeError, match="covariance"):
        prediction(covariance=torch.zeros(13, 2, 2))


def test_regions_are_keys_of_their_own_rounded_up_and_never_infinite() -> None:
    radius, level = torch.full((14,), 1.23451), torch.linspace(0, 1, 14)
    radius[1], radius[2] = float("inf"), 2.5
    regions = {0.9: Region(radius, level), 0.975: Region(2 * radius, level)}
    entry = prediction(regions=regions).to_coco()
    assert entry["region_90"][:3] == [1.2346, None, 2.5]  # rounded down the promise would break
    assert len(entry["region_97.5"]) == 14
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry
    assert prediction(regions=regions).to_dict()["regions"][0.975]["level"] == level.tolist()
    assert not [key for key in prediction().to_coco() if key.startswith("region")]


def test_modes_are_triples_of_each_keypoint_where_there_are_several() -> None:
    points, weights = torch.zeros(14, 3, 2), torch.zeros(14, 3)
    points[:, 0], weights[:, 0] = torch.tensor([1.5, 2.5]), 1.0
    points[4, 1], weights[4] = torch.tensor([20.25, 0.0]), torch.tensor([0.75, 0.25, 0.0])
    person = prediction(modes=Modes(points, weights))
    entry = person.to_coco()
    assert entry["modes"][0] == [[1.0, 2.0, 1.0]]
    assert entry["modes"][4] == [[1.0, 2.0, 0.75], [19.75, -0.5, 0.25]]  # indices again, and no padding
    assert len(entry["modes"]) == 14
    assert json.loads(json.dumps(entry)) == entry
    plain = person.to_dict()
    assert plain["modes"]["keypoints"][4][1] == [20.25, 0.0]
    assert plain["modes"]["weights"][4] == [0.75, 0.25, 0.0]
    assert "modes" not in prediction().to_coco()
    assert prediction().to_dict()["modes"] is None


def test_entries_say_which_schema_they_have() -> None:
    assert prediction().to_coco()["schema"] == 2
