"""Whole pictures from COCO's files."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from poserior import skeletons
from poserior.datasets import CocoScenes
from poserior.errors import InputError
from poserior.transforms import SceneTransform, collate_scenes


def test_boxes_of_all_categories_worked_by_hand(fake_coco) -> None:
    scenes = CocoScenes(fake_coco.annotations, fake_coco.images)
    assert len(scenes) == 2
    assert scenes.categories == ("person", "dog")
    assert scenes.skeleton is None
    assert scenes.image_ids == [10, 20]
    one, two = scenes[0], scenes[-1]
    assert np.array_equal(one.image.numpy(), fake_coco.pictures[10])
    assert one.box_xyxy.tolist() == [[2, 3, 22, 33], [1, 1, 6, 6], [1, 1, 6, 6]]
    assert one.category.tolist() == [0, 0, 1]
    assert one.annotation_id.tolist() == [1, 4, 5]
    assert one.area.tolist() == pytest.approx([321.5, 12, 0.53 * 25])
    assert one.keypoints.shape == (3, 0, 2)
    assert one.crowd_xyxy.shape == (0, 4)
    assert (one.image_id, one.original_size, one.affine) == (10, (40, 50), None)
    assert one.source.endswith("images/a.png")
    assert two.box_xyxy.tolist() == [[0, 10, 16, 60]]  # cut to 30 x 60
    assert two.crowd_xyxy.tolist() == [[0, 0, 9, 9]]
    assert two.area.tolist() == pytest.approx([0.53 * 16 * 50])
    with pytest.raises(IndexError):
        scenes[2]


def test_people_with_and_without_keypoints(fake_coco) -> None:
    scenes = CocoScenes(fake_coco.annotations, fake_coco.images, "coco17")
    assert scenes.categories == ("person",)
    one = scenes[0]
    assert one.annotation_id.tolist() == [1, 4]
    assert one.keypoints[0, :3].tolist() == [[3.5, 4.5], [4.5, 5.5], [0.0, 0.0]]  # half a pixel added
    assert one.visibility[0, :4].tolist() == [2, 1, 0, 2]
    assert one.visibility[1].tolist() == [0] * 17
    assert one.skeleton is scenes.skeleton
    batch = collate_scenes([SceneTransform((64, 64))(scenes[i]) for i in range(2)])
    assert batch.present.tolist() == [[True, True], [True, False]]


def test_chosen_categories_and_empty_pictures(fake_coco) -> None:
    dogs = CocoScenes(fake_coco.annotations, fake_coco.images, categories=["dog"])
    assert (len(dogs), dogs.categories, dogs.category_ids) == (1, ("dog",), (2,))
    assert dogs[0].category.tolist() == [0]
    turned = CocoScenes(fake_coco.annotations, fake_coco.images, categories=["dog", 1, "person"])
    assert (turned.categories, turned.category_ids) == (("dog", "person"), (2, 1))
    assert turned[0].category.tolist() == [1, 1, 0]
    assert [entry["category_id"] for entry in turned.coco_dict()["annotations"]] == [1, 1, 2, 1, 1]
    with_empty = CocoScenes(fake_coco.annotations, fake_coco.images, categories=[2], with_empty=True)
    assert with_empty.image_ids == [10, 20]
    assert with_empty[1].box_xyxy.shape == (0, 4)
    assert with_empty[1].crowd_xyxy.shape == (0, 4)  # the crowd is of people
    with pytest.raises(InputError, match=r"'cat' in 'categories'.*found person, dog"):
        CocoScenes(fake_coco.annotations, fake_coco.images, categories=["dog", "cat"])
    fake_coco.content["annotations"] = [{**fake_coco.content["annotations"][2]}]
    with pytest.raises(InputError, match="at least one picture with an object"):
        CocoScenes(fake_coco.annotations, fake_coco.images)
    crowd = CocoScenes(fake_coco.annotations, fake_coco.images, with_empty=True)
    assert crowd[1].crowd_xyxy.tolist() == [[0, 0, 9, 9]]


def test_boxes_without_extent_are_left_out_of_learning(fake_coco) -> None:
    annotations = fake_coco.content["annotations"]
    annotations[0]["bbox"] = [2, 3, 0, 30]  # with keypoints
    annotations[4]["bbox"] = [60, 5, 4, 4]  # outside of the picture
    for skeleton, expected in ((None, [4]), ("coco17", [4])):
        scenes = CocoScenes(fake_coco.annotations, fake_coco.images, skeleton)
        assert scenes[0].annotation_id.tolist() == expected
    boxes = CocoScenes(fake_coco.annotations, fake_coco.images).coco_dict()["annotations"]
    assert [entry["id"] for entry in boxes] == [1, 4, 5, 2, 3]


def test_facts(fake_coco) -> None:
    assert CocoScenes(fake_coco.annotations, fake_coco.images)[0].facts == {}
    annotations = fake_coco.content["annotations"]
    annotations[0]["facing"], annotations[1]["facing"], annotations[0]["age"] = -1, 0.25, 30
    scenes = CocoScenes(fake_coco.annotations, fake_coco.images, facts=("facing", "age", "shoes"))
    assert sorted(scenes[0].facts) == ["age", "facing"]
    np.testing.assert_array_equal(scenes[0].facts["facing"].numpy(), [-1, np.nan, np.nan])
    assert scenes[1].facts["facing"].tolist() == [0.25]
    annotations[0]["facing"] = "left"
    with pytest.raises(InputError, match=r"finite numbers under 'facing'.*'left' in id 1"):
        CocoScenes(fake_coco.annotations, fake_coco.images)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_archives_give_the_same(fake_coco, kind) -> None:
    folder = CocoScenes(fake_coco.annotations, fake_coco.images)
    packed = CocoScenes(fake_coco.annotations, getattr(fake_coco, kind)())
    for i in range(2):
        assert torch.equal(packed[i].image, folder[i].image)


def test_corrupt_pictures(fake_coco) -> None:
    (fake_coco.images / "a.png").write_bytes(b"no picture")
    scenes = CocoScenes(fake_coco.annotations, fake_coco.images)
    with pytest.raises(InputError, match=r"a\.png, found 10 bytes"):
        scenes[0]
    left = CocoScenes(fake_coco.annotations, fake_coco.images, skip_corrupt=True)
    assert (left.num_skipped, left.image_ids) == (1, [20])
    assert left[0].annotation_id.tolist() == [2]
    assert [image["id"] for image in left.coco_dict()["images"]] == [20]
    assert [entry["id"] for entry in left.coco_dict()["annotations"]] == [2, 3]
    (fake_coco.images / "b.png").unlink()
    with pytest.raises(InputError, match=r"expected the image 'b\.png'"):
        CocoScenes(fake_coco.annotations, fake_coco.images)


def average_precision(truth: dict, results: list[dict], kind: str) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def test_coco_dict_is_what_pycocotools_evaluates_by(fake_coco) -> None:
    truth = CocoScenes(fake_coco.annotations, fake_coco.images).coco_dict()
    found = [
        {"image_id": entry["image_id"], "category_id": entry["category_id"], "bbox": entry["bbox"], "score": 0.9}
        for entry in truth["annotations"]
        if not entry["iscrowd"]
    ]
    assert average_precision(truth, found, "bbox") == pytest.approx(1.0)
    in_crowd = {"image_id": 20, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.95}  # not held against anybody
    assert average_precision(truth, [*found, in_crowd], "bbox") == pytest.approx(1.0)
    assert average_precision(truth, found[:2] + found[3:], "bbox") < 0.9
    people = CocoScenes(fake_coco.annotations, fake_coco.images, "coco17").coco_dict()
    assert people["annotations"][0]["keypoints"][:6] == [3.0, 4.0, 2, 4.0, 5.0, 1]
    assert people["annotations"][0]["num_keypoints"] == 12
    poses = [
        {"image_id": entry["image_id"], "category_id": 1, "keypoints": entry["keypoints"], "score": 0.5}
        for entry in people["annotations"]
        if entry["num_keypoints"]
    ]
    for entry in people["annotations"]:
        entry["area"] = max(entry["area"], 2000.0)  # COCO's keypoint evaluation passes over small people
    assert average_precision(people, poses, "keypoints") == pytest.approx(1.0)


def test_coco_dict_read_again_is_the_same(fake_coco) -> None:
    first = CocoScenes(fake_coco.annotations, fake_coco.images, "coco17")
    fake_coco.content = first.coco_dict()
    second = CocoScenes(fake_coco.annotations, fake_coco.images, "coco17")
    assert second.coco_dict() == first.coco_dict()
    for i in range(2):
        assert torch.equal(first[i].keypoints, second[i].keypoints)
        assert torch.equal(first[i].crowd_xyxy, second[i].crowd_xyxy)


def test_real_pictures(real_data) -> None:
    folder = real_data("coco_images")
    content = json.loads((folder / "annotations.json").read_text())
    scenes = CocoScenes(folder / "annotations.json", folder / "images.tar", skeletons.load("coco17"))
    assert len(scenes) == 141
    people = content["annotations"]
    assert sum(entry["num_keypoints"] for entry in people) == sum(
        entry["num_keypoints"] for entry in scenes.coco_dict()["annotations"]
    )
    seen = [scenes[i] for i in range(0, 141, 20)]
    for scene in seen:
        own = [entry for entry in people if entry["image_id"] == scene.image_id]
        assert scene.annotation_id.tolist() == [entry["id"] for entry in own]
        np.testing.assert_allclose(scene.area.numpy(), [entry["area"] for entry in own], rtol=1e-6)
    batch = collate_scenes([SceneTransform((128, 128))(scene) for scene in seen])
    assert int(batch.present.sum()) == sum(len(scene.box_xyxy) for scene in seen)
    assert (batch.box_xyxy <= 128).all()


def test_broken_files_are_refused(fake_coco, mutated) -> None:
    content, accepted = fake_coco.content, []

    @settings(
        max_examples=150, deadline=None, derandomize=True, database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(mutated(content))
    def check(broken) -> None:
        fake_coco.content = broken
        with contextlib.suppress(InputError):
            scenes = CocoScenes(fake_coco.annotations, fake_coco.images, "coco17", with_empty=True)
            for i in range(len(scenes)):
                scene = scenes[i]
                assert torch.isfinite(scene.keypoints).all()
                assert (scene.box_xyxy[:, 2:] > scene.box_xyxy[:, :2]).all()
            accepted.append(broken)

    check()
    assert 5 < len(accepted) < 135  # some changes are harmless, most are not
