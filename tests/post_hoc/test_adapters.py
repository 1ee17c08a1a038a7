"""Other people's networks: their answers in the right pixels, features from the right layer, scores learned anew."""

import importlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.detection import KeypointRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from poserior.errors import InputError
from poserior.metrics import ause, coco_average_precision, keypoint_oks, pearson
from poserior.metrics.average_precision import people_to_coco
from poserior.post_hoc import (
    ExternalPeople,
    Labels,
    NetSettings,
    cross_fitted,
    fit_external,
    join,
    judge_external,
    match_labels,
    rescored,
)
from poserior.post_hoc.adapters import KeypointRCNNAdapter, VitPoseAdapter
from poserior.skeletons import Skeleton
from poserior.structures import Sample

SIGMAS = (0.05, 0.08, 0.1)


def planted(count, seed, per_picture=2):
    """People whose first feature tells how far off they are; their own scores say nothing."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    target = torch.rand(count, 3, 2, generator=generator) * 60 + 20
    target[..., 0] += 200 * (torch.arange(count) % per_picture)[:, None]  # neighbours stand apart
    off = (0.8 * features[:, :1, None] + 1.2).exp() * torch.randn(count, 3, 2, generator=generator)
    boxes = torch.cat([target.amin(1) - 5, target.amax(1) + 5], 1)
    people = ExternalPeople(
        keypoints=target + off,
        features=features,
        scores=torch.rand(count, 3, generator=generator),
        box_xyxy=boxes,
        box_score=torch.ones(count),
        image_id=tuple(index // per_picture for index in range(count)),
    )
    visibility = torch.randint(0, 3, (count, 3), generator=generator)
    visibility[:, 0] = 2
    return people, Labels(target, visibility, torch.full((count,), 900.0))


SETTINGS = NetSettings(lr=0.02, min_steps=100)


def test_a_foreign_network_gets_scores_that_order_its_people():
    people, labels = planted(400, 0)
    net, course = fit_external(people, labels, SIGMAS, settings=SETTINGS)
    assert course.people == 400
    people, labels = planted(400, 1)
    oks = keypoint_oks(people.keypoints, labels.target, labels.area, SIGMAS, labels.target_visibility)
    confidence, visibility = judge_external(net, people)
    assert pearson(confidence, oks, labels.target_visibility) > 0.55
    assert pearson(people.scores, oks, labels.target_visibility).abs() < 0.1
    constant = torch.ones_like(confidence)
    known = ause(1 - oks, confidence, labels.target_visibility)
    assert known < 0.5 * ause(1 - oks, constant, labels.target_visibility)
    torch.testing.assert_close(visibility.mean(0), torch.tensor([0.99, 2 / 3, 2 / 3]), atol=0.06, rtol=0)
    results = rescored(net, people)
    truth, theirs = people_to_coco(
        people.keypoints, labels.target, labels.target_visibility, labels.area, people.box_xyxy,
        people.scores.mean(1), people.image_id, range(1, 401),
    )  # fmt: skip
    before = coco_average_precision(theirs, truth, SIGMAS)
    after = coco_average_precision(results, truth, SIGMAS)
    assert before["AR"] == after["AR"]
    assert after["AP"] > before["AP"] + 0.02
    crossed = coco_average_precision(cross_fitted(people, labels, SIGMAS, 3, settings=SETTINGS), truth, SIGMAS)
    assert crossed["AR"] == after["AR"]
    assert crossed["AP"] > before["AP"] + 0.02


def test_results_are_cocos():
    people, labels = planted(100, 0)
    people = replace(people, box_score=torch.full((100,), 0.5))
    net, _ = fit_external(people, labels, SIGMAS, settings=NetSettings(min_steps=5))
    entry = rescored(net, people, category_id=4)[3]
    confidence, visibility = (part[3] for part in judge_external(net, people))
    triples = torch.tensor(entry["keypoints"]).reshape(3, 3)
    torch.testing.assert_close(triples[:, :2], people.keypoints[3] - 0.5)
    torch.testing.assert_close(triples[:, 2], confidence)
    x0, y0, x1, y1 = people.box_xyxy[3].tolist()
    assert entry["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0])
    assert (entry["image_id"], entry["category_id"]) == (1, 4)
    assert entry["score"] == pytest.approx(0.5 * float((confidence * visibility).sum() / visibility.sum()), rel=1e-5)


def test_nobody_is_judged_by_a_net_that_saw_the_picture():
    """Labels of a picture changed: the scores in it stay, those elsewhere do not."""
    people, labels = planted(120, 0)
    settings = NetSettings(min_steps=5)
    plain = cross_fitted(people, labels, SIGMAS, 2, settings=settings)
    moved = labels.target.clone()
    moved[:2] += 40  # both people of picture 0
    changed = cross_fitted(people, replace(labels, target=moved), SIGMAS, 2, settings=settings)
    same = [a["score"] == b["score"] for a, b in zip(plain, changed, strict=True)]
    assert same[0]
    assert same[1]
    assert not all(same)


def sample(image_id, annotation_id, box_xyxy, points):
    return Sample(
        image=torch.zeros(1, 1, 3, dtype=torch.uint8),
        keypoints=torch.tensor(points),
        visibility=torch.full((len(points),), 2),
        box_xyxy=torch.tensor(box_xyxy),
        area=100.0 * annotation_id,
        skeleton=Skeleton("two", ("a", "b"), (), (), (0.1, 0.1)),
        image_id=image_id,
        annotation_id=annotation_id,
    )


def test_labels_go_to_the_boxes_they_overlap_most():
    boxes = torch.tensor([[0.0, 0, 10, 10], [1.0, 0, 11, 10], [50.0, 50, 60, 60], [0.0, 0, 10, 10]])
    people = ExternalPeople(
        torch.zeros(4, 2, 2), torch.zeros(4, 3), torch.zeros(4, 2), boxes, torch.ones(4), (7, 7, 7, 8)
    )
    annotated = [
        sample(7, 1, [1.0, 0.0, 11.0, 10.0], [[1.0, 1.0], [2.0, 2.0]]),
        sample(7, 2, [2.0, 0.0, 12.0, 10.0], [[3.0, 3.0], [4.0, 4.0]]),
        sample(9, 3, [0.0, 0.0, 10.0, 10.0], [[5.0, 5.0], [6.0, 6.0]]),
    ]
    labels = match_labels(people, annotated)
    # box 1 is person 1's own; person 2 is left to box 0 (overlap 80 of 120); nobody stands at 2, nor in picture 8
    assert labels.area.tolist() == [200.0, 100.0, 1.0, 1.0]
    assert labels.target_visibility.tolist() == [[2, 2], [2, 2], [0, 0], [0, 0]]
    assert labels.target[:2].tolist() == [[[3.0, 3.0], [4.0, 4.0]], [[1.0, 1.0], [2.0, 2.0]]]
    assert match_labels(people, annotated, least_iou=0.7).target_visibility[0].tolist() == [0, 0]
    wrong = replace(annotated[0], keypoints=torch.zeros(3, 2), visibility=torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="labels of 2 keypoints, as the network's, found 3 for person 1"):
        match_labels(people, [wrong])


def test_errors_teach():
    people, labels = planted(120, 0)
    with pytest.raises(InputError, match="at least 50 people with labelled keypoints"):
        fit_external(people, replace(labels, target_visibility=torch.zeros(120, 3, dtype=torch.int64)), SIGMAS)
    with pytest.raises(InputError, match=r"positive areas, found 0\.0"):
        fit_external(people, replace(labels, area=torch.zeros(120)), SIGMAS)
    with pytest.raises(InputError, match="finite features"):
        fit_external(replace(people, features=people.features / 0), labels, SIGMAS)
    with pytest.raises(InputError, match="found 1; correct folds"):
        cross_fitted(people, labels, SIGMAS, 1)
    with pytest.raises(InputError, match="found Linear without roi_heads"):
        KeypointRCNNAdapter(nn.Linear(2, 2))
    with pytest.raises(InputError, match=r"found Linear without head\.conv"):
        VitPoseAdapter(nn.Linear(2, 2), None)


def test_without_transformers_one_sentence(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr("poserior.post_hoc.adapters.vitpose.import_module", absent)
    with pytest.raises(InputError, match="expected the package transformers"):
        VitPoseAdapter.from_pretrained("anywhere")


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    body = resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d)
    model = KeypointRCNN(
        body, 2, num_keypoints=3, min_size=64, max_size=96, box_score_thresh=0.0, box_detections_per_img=4,
        rpn_post_nms_top_n_test=12, rpn_pre_nms_top_n_test=12,
    )  # fmt: skip
    return model.eval()


def test_keypoint_rcnn_gives_answers_features_and_scores(detector):
    images = [torch.rand(3, 60, 70), torch.rand(3, 64, 48)]
    people = KeypointRCNNAdapter(detector, score_threshold=0.0)(images, ["a", "b"])
    with torch.no_grad():
        found = detector(images)
    assert people.image_id == ("a",) * len(found[0]["boxes"]) + ("b",) * len(found[1]["boxes"])
    assert len(people) > 2
    torch.testing.assert_close(people.keypoints, torch.cat([f["keypoints"][..., :2] for f in found]) + 0.5)
    torch.testing.assert_close(people.scores, torch.cat([f["keypoints_scores"] for f in found]))
    torch.testing.assert_close(people.box_score, torch.cat([f["scores"] for f in found]))
    # the features of one picture alone (in a batch it is padded to the largest), straight from the network's layers
    alone = KeypointRCNNAdapter(detector, score_threshold=0.0)(images[:1], ["a"])
    with torch.no_grad():
        inside, _ = detector.transform([images[0]])
        maps = detector.backbone(inside.tensors)
        ratio = torch.tensor([size / own for size, own in zip(inside.image_sizes[0], (60, 70), strict=True)]).flip(0)
        boxes = alone.box_xyxy * ratio.repeat(2)
        regions = detector.roi_heads.keypoint_roi_pool(maps, [boxes], inside.image_sizes)
        features = detector.roi_heads.keypoint_head(regions).mean((2, 3))
    assert features.shape[1] == 512
    torch.testing.assert_close(alone.features, features, atol=1e-3, rtol=1e-3)
    highest = people.box_score.sort().values
    assert len(KeypointRCNNAdapter(detector, float(highest[-1]))(images, ["a", "b"])) == 1
    both = join([people, people])
    assert len(both) == 2 * len(people)
    assert both.image_id == people.image_id * 2


@pytest.fixture(scope="module")
def processor():
    pytest.importorskip("transformers")
    return importlib.import_module("transformers").VitPoseImageProcessor(size={"height": 64, "width": 48})


class Bright(nn.Module):
    """A network whose heatmaps are the crop's red and green, seen as ViTPose's are: its last layer is ``head.conv``."""

    def __init__(self):
        super().__init__()
        self.head = nn.Module()
        self.head.conv = nn.Conv2d(3, 2, 1, bias=False)
        with torch.no_grad():
            self.head.conv.weight.copy_(torch.eye(3)[:2, :, None, None])

    def forward(self, pixel_values):
        return SimpleNamespace(heatmaps=self.head.conv(pixel_values))


def blob(picture, channel, x, y):
    """A Gaussian bump whose top is the point (x, y) in continuous pixels."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    picture[..., channel] = np.round(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2)))


def test_vitpose_answers_in_continuous_pixels(processor):
    plain = importlib.import_module("transformers").VitPoseImageProcessor(
        size={"height": 64, "width": 48}, do_normalize=False
    )
    picture = np.zeros((120, 100, 3), np.uint8)
    blob(picture, 0, 40.5, 52.5)
    blob(picture, 1, 61.0, 70.0)
    image = torch.from_numpy(picture)
    boxes = torch.tensor([[20.0, 30.0, 80.0, 100.0], [25.5, 31.0, 75.0, 95.0]])
    adapter = VitPoseAdapter(Bright(), plain)
    people = adapter([image, image, image], [boxes, torch.zeros(0, 4), boxes[:1]], [1, 2, 3])
    assert people.image_id == (1, 1, 3)
    expected = torch.tensor([[40.5, 52.5], [61.0, 70.0]]).expand(3, 2, 2)
    # Without the half pixel everything would be 0.5 off.
    torch.testing.assert_close(people.keypoints, expected, atol=0.12, rtol=0)
    torch.testing.assert_close(people.box_xyxy, torch.cat([boxes, boxes[:1]]))
    assert people.box_score.tolist() == [1, 1, 1]
    scored = adapter([image], [boxes], [1], [torch.tensor([0.3, 0.6])])
    torch.testing.assert_close(scored.box_score, torch.tensor([0.3, 0.6]))
    with pytest.raises(InputError, match="at least one box"):
        adapter([image], [torch.zeros(0, 4)], [1])


@pytest.mark.parametrize("simple", [True, False])
def test_vitpose_of_transformers(processor, simple, tmp_path):
    library = importlib.import_module("transformers")
    body = library.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
        mlp_ratio=2, out_indices=[1],
    )  # fmt: skip
    torch.manual_seed(0)
    config = library.VitPoseConfig(backbone_config=body, use_simple_decoder=simple, num_labels=5)
    model = library.VitPoseForPoseEstimation(config).eval()
    adapter = VitPoseAdapter(model, processor)
    image = torch.randint(0, 256, (90, 80, 3), dtype=torch.uint8)
    boxes = torch.tensor([[10.0, 5.0, 60.0, 80.0], [30.0, 20.0, 70.0, 85.0]])
    people = adapter([image], [boxes], ["x"])
    corner_and_size = [[[10.0, 5.0, 50.0, 75.0], [30.0, 20.0, 40.0, 65.0]]]
    values = processor([image.numpy()], boxes=corner_and_size, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        tokens = model.backbone(values).feature_maps[-1]
        maps = tokens.permute(0, 2, 1).reshape(2, 12, 4, 3)
        layers = ("activation", "upsampling") if simple else (
            "deconv1", "batchnorm1", "relu1", "deconv2", "batchnorm2", "relu2"
        )  # fmt: skip
        for name in layers:
            maps = getattr(model.head, name)(maps)
        heatmaps = model.head.conv(maps)
    torch.testing.assert_close(people.features, maps.mean((2, 3)), atol=1e-5, rtol=1e-4)
    assert people.features.shape == (2, 12 if simple else 256)
    torch.testing.assert_close(people.scores, heatmaps.amax((2, 3)), atol=1e-5, rtol=1e-4)
    answers = processor.post_process_pose_estimation(SimpleNamespace(heatmaps=heatmaps), corner_and_size)[0]
    expected = torch.stack([answer["keypoints"] for answer in answers]).float() + 0.5
    torch.testing.assert_close(people.keypoints, expected, atol=1e-2, rtol=0)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = VitPoseAdapter.from_pretrained(tmp_path)([image], [boxes], ["x"])
    torch.testing.assert_close(again.features, people.features)
