import contextlib
import copy
import gzip
import io
import json
import math
import pickle

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch.utils.data import DataLoader

from poserior import skeletons
from poserior.datasets import CocoKeypoints
from poserior.errors import InputError


def pictures_and_labels(sample):
    return sample.image.numpy(), sample.keypoints.tolist(), sample.annotation_id


def test_samples_worked_by_hand(fake_coco) -> None:
    dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images)
    assert len(dataset) == 2  # neither the crowd, nor the unlabelled person, nor the dog
    assert dataset.skeleton.name == "coco17"
    one, two = dataset[0], dataset[1]
    assert np.array_equal(one.image.numpy(), fake_coco.pictures[10])
    assert one.keypoints[:3].tolist() == [[3.5, 4.5], [4.5, 5.5], [0.0, 0.0]]  # indices of pixels: half a pixel added
    assert one.visibility[:4].tolist() == [2, 1, 0, 2]
    assert one.box_xyxy.tolist() == [2.0, 3.0, 22.0, 33.0]
    assert (one.area, one.image_id, one.annotation_id, one.score) == (321.5, 10, 1, 1.0)
    assert one.source.endswith("images/a.png")
    assert two.box_xyxy.tolist() == [0.0, 10.0, 16.0, 60.0]  # cut to 30 x 60
    assert two.area == pytest.approx(0.53 * 16 * 50)
    assert dataset[-1].annotation_id == 2
    with pytest.raises(IndexError):
        dataset[2]


@pytest.mark.parametrize("prefix", ["images/", "", "./", "deep/er/"])
def test_a_tar_a_zip_and_a_folder_give_the_same(fake_coco, prefix) -> None:
    folder = CocoKeypoints(fake_coco.annotations, fake_coco.images)
    for archive in (fake_coco.tar(prefix), fake_coco.zip(prefix)):
        packed = CocoKeypoints(fake_coco.annotations, archive)
        for i in range(2):
            assert torch.equal(packed[i].image, folder[i].image)
            assert torch.equal(packed[i].keypoints, folder[i].keypoints)


@pytest.mark.parametrize("kind", ["tar", "zip", "images"])
def test_workers_and_copies_read_what_the_parent_reads(fake_coco, kind) -> None:
    images = fake_coco.images if kind == "images" else getattr(fake_coco, kind)()
    dataset = CocoKeypoints(fake_coco.annotations, images)
    here = [dataset[i].image for i in range(2)]
    there = [sample.image for sample in DataLoader(dataset, None, num_workers=2)]
    copied = pickle.loads(pickle.dumps(dataset))
    for i in range(2):
        assert torch.equal(here[i], there[i])
        assert torch.equal(here[i], copied[i].image)


def test_gzipped_annotations(fake_coco) -> None:
    path = fake_coco.root / "annotations.json.gz"
    path.write_bytes(gzip.compress(fake_coco.annotations.read_bytes()))
    assert CocoKeypoints(path, fake_coco.images)[1].annotation_id == 2


def test_folders_in_file_names_and_text_ids(fake_coco) -> None:
    for image in fake_coco.content["images"]:
        image["id"] = f"picture-{image['id']}"
        image["file_name"] = f"train/{image['file_name']}"
    for annotation in fake_coco.content["annotations"]:
        annotation["image_id"] = f"picture-{annotation['image_id']}"
    assert CocoKeypoints(fake_coco.annotations, fake_coco.images)[0].image_id == "picture-10"
    (fake_coco.images / "train").mkdir()
    (fake_coco.images / "b.png").rename(fake_coco.images / "train" / "b.png")
    source = CocoKeypoints(fake_coco.annotations, fake_coco.images)[1].source
    assert source.endswith("images/train/b.png")


def test_ones_own_skeleton_and_category(fake_coco, tmp_path) -> None:
    own = tmp_path / "paw.yaml"
    own.write_text("name: paw\nkeypoints: [{name: toe, sigma: 0.05}, {name: heel, sigma: 0.06}]\n")
    fake_coco.content["categories"][1]["keypoints"] = ["Toe", "heel"]
    fake_coco.content["annotations"][4].update(keypoints=[1, 2, 1, 3, 4, 2], bbox=[1, 1, 5, 5], area=25)
    for category in ("dog", 2, None):
        dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images, own, category)
        assert [sample.annotation_id for sample in dataset] == [5]
        assert dataset[0].keypoints.tolist() == [[1.5, 2.5], [3.5, 4.5]]
        assert dataset.coco_dict()["categories"][0]["name"] == "dog"
    assert len(CocoKeypoints(fake_coco.annotations, fake_coco.images, skeletons.load("coco17"))) == 2


def test_detections_become_unlabelled_samples(fake_coco) -> None:
    dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images, boxes=fake_coco.detections)
    assert [(sample.image_id, sample.annotation_id) for sample in dataset] == [(20, 0), (10, 2)]
    assert dataset[0].score == pytest.approx(0.9)
    assert dataset[0].area == pytest.approx(0.53 * 200)
    assert dataset[0].visibility.sum() == 0
    assert dataset[1].box_xyxy.tolist() == [40.0, 30.0, 50.0, 40.0]
    assert len(dataset.coco_dict()["annotations"]) == 4
    sure = CocoKeypoints(fake_coco.annotations, fake_coco.images, boxes=fake_coco.detections, min_score=0.5)
    assert len(sure) == 1
    fake_coco.boxes[0]["image_id"] = 77
    with pytest.raises(InputError, match="image ids that 'images' lists, found 77"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images, boxes=fake_coco.detections)
    fake_coco.boxes = {"image_id": 20}
    with pytest.raises(InputError, match="expected a list in the boxes of"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images, boxes=fake_coco.detections)


def score(ground_truth: dict, annotations: list[dict]) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(ground_truth)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(copy.deepcopy(annotations)), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def test_coco_dict_scores_as_the_file_does(real_data) -> None:
    path = real_data("mmpose_samples/coco/test_coco.json")
    content = json.loads(path.read_text())
    generator = np.random.default_rng(0)
    results = []
    for annotation in content["annotations"]:
        points = np.array(annotation["keypoints"], float).reshape(-1, 3)
        points[:, :2] += generator.normal(0, 0.06 * math.sqrt(annotation["area"]), (17, 2))
        results.append(
            {
                "image_id": annotation["image_id"],
                "category_id": 1,
                "keypoints": points.ravel().tolist(),
                "score": generator.random(),
            }
        )
    dataset = CocoKeypoints(path, path.parent)
    assert len(dataset) == 12
    expected = score(content, results)
    assert 0.1 < expected[0] < 0.95
    np.testing.assert_allclose(score(dataset.coco_dict(), results), expected, atol=1e-12)


def test_coco_dict_is_the_file_again(fake_coco) -> None:
    dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images)
    content = dataset.coco_dict()
    assert json.loads(json.dumps(content)) == content
    assert [annotation["id"] for annotation in content["annotations"]] == [1, 2, 3, 4]
    assert [annotation["iscrowd"] for annotation in content["annotations"]] == [0, 0, 1, 0]
    assert content["annotations"][0]["keypoints"] == fake_coco.content["annotations"][0]["keypoints"]
    assert content["annotations"][0]["num_keypoints"] == 12
    assert content["annotations"][0]["bbox"] == [2, 3, 20, 30]
    assert content["images"] == [
        {"id": 10, "file_name": "a.png", "height": 40, "width": 50},
        {"id": 20, "file_name": "b.png", "height": 60, "width": 30},
    ]
    assert content["categories"][0]["skeleton"][0] == [1, 2]


def annotation_with(**changes):
    return lambda content: content["annotations"][1].update(changes)


def drop(key, table="annotations"):
    return lambda content: content[table][1].pop(key)


MISTAKES = {
    "too few numbers": (
        annotation_with(keypoints=[1, 2, 2] * 16),
        r"51 finite numbers under 'keypoints'.*48 values in id 2",
    ),
    "keypoints as text": (annotation_with(keypoints="none"), r"51 finite numbers under 'keypoints'.*id 2"),
    "not a number": (annotation_with(keypoints=[math.nan, 2, 2] * 17), r"finite numbers under 'keypoints'.*nan.*id 2"),
    "infinite": (annotation_with(bbox=[0, 0, math.inf, 3]), r"finite numbers under 'bbox'.*id 2"),
    "visibility 3": (annotation_with(keypoints=[1, 2, 3] * 17), r"visibility of 0, 1 or 2.*found 3 in id 2"),
    "visibility 0.5": (annotation_with(keypoints=[1, 2, 0.5] * 17), r"visibility of 0, 1 or 2.*found 0\.5 in id 2"),
    "empty box": (annotation_with(bbox=[4, 4, 0, 9]), r"positive size.*\[4\.0, 4\.0, 0\.0, 9\.0\] in id 2"),
    "box outside": (annotation_with(bbox=[400, 4, 5, 9]), r"positive size inside their picture.*id 2"),
    "negative area": (annotation_with(area=-3.0), r"no negative 'area'.*-3"),
    "area nan": (annotation_with(area=math.nan), r"finite numbers under 'area'.*id 2"),
    "no such picture": (annotation_with(image_id=99), r"image ids that 'images' lists, found 99"),
    "list as picture": (annotation_with(image_id=[10]), r"image ids that 'images' lists"),
    "twice": (annotation_with(id=1), r"every id once in 'annotations'"),
    "id of text": (annotation_with(id="x"), r"whole number under 'id'.*'x'"),
    "no box": (drop("bbox"), r"key 'bbox' in every record of 'annotations'.*id 2"),
    "no keypoints": (drop("keypoints"), r"key 'keypoints' in every record"),
    "no id": (drop("id"), r"key 'id' in every record of 'annotations'"),
    "no category": (drop("category_id"), r"key 'category_id'"),
    "no file name": (drop("file_name", "images"), r"key 'file_name' in every record of 'images'.*id 20"),
    "no list": (lambda content: content.pop("annotations"), r"list under the key 'annotations'"),
    "no record": (lambda content: content["annotations"].append(3), r"records in 'annotations'.*found 3 as number 5"),
    "picture twice": (lambda content: content["images"].append(content["images"][0]), r"every id once in 'images'"),
    "name is a number": (lambda content: content["images"][0].update(file_name=3), r"text under 'file_name'.*3"),
    "nobody": (lambda content: content["annotations"].clear(), r"at least one person with a labelled keypoint"),
    "other names": (
        lambda content: content["categories"][0].update(keypoints=["a", "b"]),
        r"category with the keypoints of coco17.*found person, dog",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_in_the_file_is_told_in_one_sentence(fake_coco, mistake) -> None:
    change, message = MISTAKES[mistake]
    change(fake_coco.content)
    with pytest.raises(InputError, match=message) as error:
        CocoKeypoints(fake_coco.annotations, fake_coco.images)
    assert "\n" not in str(error.value)


def test_a_category_that_does_not_fit_the_skeleton(fake_coco) -> None:
    fake_coco.content["categories"][1]["keypoints"] = ["toe"]
    with pytest.raises(InputError, match=r"the 17 keypoints of skeleton 'coco17'.*category 'dog'.*found 1 \(toe\)"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images, category="dog")
    with pytest.raises(InputError, match=r"expected 'cat' in 'categories'.*found person, dog"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images, category="cat")
    with pytest.raises(InputError, match="expected a skeleton's name"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images, skeleton="nosuch")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00", "[" * 100_000])
def test_files_that_are_no_annotations(tmp_path, text) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"a\.json"):
        CocoKeypoints(path, tmp_path)
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(b"\x1f\x8b no gzip")
    with pytest.raises(InputError, match=r"expected a readable JSON file at .*a\.json\.gz"):
        CocoKeypoints(packed, tmp_path)
    with pytest.raises(InputError, match=r"absent\.json"):
        CocoKeypoints(tmp_path / "absent.json", tmp_path)


def test_missing_pictures_are_told_at_once(fake_coco) -> None:
    (fake_coco.images / "b.png").unlink()
    with pytest.raises(InputError, match=r"expected the image 'b\.png' in .*images, found neither it nor 0 more"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images)
    with pytest.raises(InputError, match=r"expected the image 'b\.png' in .*images\.tar"):
        CocoKeypoints(fake_coco.annotations, fake_coco.tar())
    with pytest.raises(InputError, match="found nothing at"):
        CocoKeypoints(fake_coco.annotations, fake_coco.root / "nowhere")


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "x/../../secret.png", "..\\secret.png", "C:\\x.png", ""]
)
def test_names_cannot_leave_the_image_folder(fake_coco, picture, name) -> None:
    picture(fake_coco.root / "secret.png", 60, 30, 5)
    fake_coco.content["images"][1]["file_name"] = name
    for images in (fake_coco.images, fake_coco.tar(), fake_coco.zip()):
        with pytest.raises(InputError, match="inside the image folder"):
            CocoKeypoints(fake_coco.annotations, images)


def test_unreadable_pictures_are_named_or_left_out(fake_coco, caplog) -> None:
    bad = fake_coco.images / "b.png"
    bad.write_bytes(bad.read_bytes()[:300])
    for images in (fake_coco.images, fake_coco.tar(), fake_coco.zip()):
        dataset = CocoKeypoints(fake_coco.annotations, images)
        assert dataset[0].image_id == 10
        with pytest.raises(InputError, match=r"expected a picture at .*b\.png, found 300 bytes.*skip_corrupt"):
            dataset[1]
        kept = CocoKeypoints(fake_coco.annotations, images, skip_corrupt=True)
        assert (len(kept), kept.num_skipped) == (1, 1)
        assert kept[0].image_id == 10
        assert "b.png" in caplog.text
    bad.unlink()
    with pytest.raises(InputError, match=r"expected the image 'b\.png'"):  # a missing one is never skipped
        CocoKeypoints(fake_coco.annotations, fake_coco.images, skip_corrupt=True)


def test_a_picture_of_another_size_is_told(fake_coco, picture) -> None:
    picture(fake_coco.images / "b.png", 30, 60, 1)
    dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images)
    with pytest.raises(InputError, match=r"30 x 60 pixels at .*b\.png.*found 60 x 30"):
        dataset[1]


def test_sizes_need_not_be_given(fake_coco) -> None:
    for image in fake_coco.content["images"]:
        del image["height"], image["width"]
    dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images)
    assert dataset[1].box_xyxy.tolist() == [-4.0, 10.0, 16.0, 90.0]


def test_real_photographs(real_data) -> None:
    root = real_data("coco_images")
    dataset = CocoKeypoints(root / "annotations.json", root / "images.tar")
    assert len(dataset) == 393
    content = json.loads((root / "annotations.json").read_text())
    first = content["annotations"][0]
    x, y, v = first["keypoints"][:3]
    assert dataset[0].keypoints[0].tolist() == pytest.approx([x + 0.5, y + 0.5])
    assert dataset[0].visibility[0] == v
    inside = 0
    for i in range(0, 393, 10):
        sample = dataset[i]
        points = sample.keypoints[sample.visibility > 0]
        inside += int((points < torch.tensor([sample.image.shape[1] + 1, sample.image.shape[0] + 1])).all())
    assert inside == 40


def test_many_people_are_cheap_to_hold(tmp_path, picture) -> None:
    picture(tmp_path / "a.png", 60, 80, 0)
    person = {"image_id": 1, "category_id": 1, "bbox": [2, 3, 20, 30], "area": 300, "keypoints": [5, 6, 2] * 17}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": 60, "width": 80}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{**person, "id": i + 1} for i in range(10_000)],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    dataset = CocoKeypoints(tmp_path / "a.json", tmp_path)
    assert len(dataset) == 10_000
    assert len(pickle.dumps(dataset)) < 2 * 10_000 * 260  # annotated people and samples: 15 times that is 78 MB


def test_the_best_detections_of_each_picture(fake_coco):
    fake_coco.boxes = [
        {"image_id": image, "category_id": 1, "bbox": [2, 3, 10, 20], "score": score}
        for image, score in [(20, 0.2), (10, 0.3), (20, 0.9), (10, 0.3), (20, 0.5), (10, 0.1)]
    ]
    best = CocoKeypoints(fake_coco.annotations, fake_coco.images, boxes=fake_coco.detections, max_boxes=2)
    assert [best[n].annotation_id for n in range(len(best))] == [1, 2, 3, 4]


def whole_body(fake_coco):
    """The fake file in COCO-WholeBody's form: the category lists the body's names alone."""
    for n, person in enumerate(row for row in fake_coco.content["annotations"] if row["category_id"] == 1):
        sizes = {"foot": 6, "face": 68, "lefthand": 21, "righthand": 21}
        for m, (part, count) in enumerate(sizes.items()):
            person[f"{part}_kpts"] = [v for k in range(count) for v in (5 + m, 6 + k / 4, 1 + k % 2)] if n < 2 else []
            person[f"{part}_valid"] = n < 2 and part != "lefthand"
    return fake_coco


def test_parts_of_a_whole_body_are_one_list(fake_coco) -> None:
    whole_body(fake_coco)
    dataset = CocoKeypoints(fake_coco.annotations, fake_coco.images, "coco133")
    assert len(dataset) == 2
    sample, body = dataset[0], CocoKeypoints(fake_coco.annotations, fake_coco.images)[0]
    assert sample.keypoints.shape == (133, 2)
    assert torch.equal(sample.keypoints[:17], body.keypoints)
    assert sample.keypoints[17:20].tolist() == [[5.5, 6.5], [5.5, 6.75], [5.5, 7.0]]
    assert sample.keypoints[23].tolist() == [6.5, 6.5]
    assert sample.keypoints[112].tolist() == [8.5, 6.5]
    assert sample.visibility[17:23].tolist() == [1, 2, 1, 2, 1, 2]
    assert sample.visibility[91:112].tolist() == [0] * 21  # marked invalid
    again = dataset.coco_dict()["annotations"][0]
    assert len(again["keypoints"]) == 399
    assert again["num_keypoints"] == int((sample.visibility > 0).sum())


def test_a_part_of_another_length_is_named(fake_coco) -> None:
    whole_body(fake_coco)
    fake_coco.content["annotations"][0]["face_kpts"].pop()
    with pytest.raises(InputError, match=r"expected 204 numbers .* as 'face_kpts' of annotation 1, found 203 values"):
        CocoKeypoints(fake_coco.annotations, fake_coco.images, "coco133")


def test_real_whole_body_files(real_data) -> None:
    folder = real_data("mmpose_samples/coco")
    apart = CocoKeypoints(folder / "test_coco_wholebody.json", folder, "coco133")
    together = CocoKeypoints(folder / "test_keypoint_partition_metric.json", folder, "coco133")
    assert len(apart) == len(together) == 12
    # another tool's joined list of the same people
    for name in ("annotation_id", "keypoints", "visibility"):
        assert np.array_equal(getattr(apart.samples, name), getattr(together.samples, name)), name
    assert (apart.samples.visibility[0][17:23] > 0).all()
