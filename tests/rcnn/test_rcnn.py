"""Keypoint R-CNN with densities: coordinates, losses on hand-made RoIs, and what comes out of whole pictures."""

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from poserior import heads, rcnn, skeletons
from poserior.datasets import Figures
from poserior.errors import InputError
from poserior.geometry import BOX_TO_AREA

SMALL = {
    "layers": 1,
    "channels": 8,
    "min_size": 64,
    "max_size": 96,
    "rpn_pre_nms_top_n_train": 40,
    "rpn_post_nms_top_n_train": 20,
    "rpn_pre_nms_top_n_test": 20,
    "rpn_post_nms_top_n_test": 10,
    "box_batch_size_per_image": 16,
    "box_score_thresh": 0.0,
    "box_detections_per_img": 5,
}
HANDS = skeletons.Skeleton("hands", ("left", "right", "nose"), ((0, 1),), (("left", "right"),), (0.06, 0.06, 0.03))


class Tiny(nn.Module):
    """One map at a quarter of the size."""

    out_channels = 6

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 7, stride=16, padding=3)

    def forward(self, images):
        features = self.conv(images).relu()
        return {"0": features, "pool": nn.functional.max_pool2d(features, 2, ceil_mode=True)}


def tiny(head=heads.Laplace, **options):
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    torch.manual_seed(0)
    return rcnn.KeypointRCNN(
        Tiny(),
        head,
        HANDS,
        rpn_anchor_generator=AnchorGenerator(((16,), (32,)), ((1.0,),) * 2),
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        **{**SMALL, **options},
    )


def targets(*boxes):
    """People whose hands are at the boxes' lower corners, the left one of the first unlabelled; the nose is on top."""
    box = torch.tensor(boxes).reshape(-1, 4)
    x0, y0, x1, y1 = box.unbind(1)
    points = torch.stack([torch.stack([x0, y1], 1), torch.stack([x1, y1], 1), torch.stack([(x0 + x1) / 2, y0], 1)], 1)
    flags = torch.full((len(box), 3, 1), 2.0)
    flags[:1, 0] = 0
    return {"boxes": box, "labels": torch.ones(len(box), dtype=torch.int64), "keypoints": torch.cat([points, flags], 2)}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1000, 1000), min_size=4, max_size=4),
    st.floats(0.1, 500),
    st.floats(0.1, 500),
)
def test_points_to_the_roi_and_back(values, width, height):
    x, y, px, py = (torch.tensor(value, dtype=torch.float64) for value in values)
    box = torch.stack([x, y, x + width, y + height])[None]
    points = torch.stack([px, py]).expand(1, 2, 2)
    scale, shift = rcnn.from_roi(box)
    torch.testing.assert_close(rcnn.to_roi(points, box) * scale + shift, points, atol=1e-9, rtol=1e-12)


def test_the_loss_of_hand_made_rois_is_the_heads():
    model = tiny(heads.RLE).double()
    stage = model.detector.roi_heads
    seen = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    rois = torch.tensor([[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 10.0, 10.0]], dtype=torch.float64)
    # In halves of the sides by hand: the first person's points lie at the corner, at the centre, one box to the right.
    keypoints = torch.tensor(
        [[[10, 20, 2], [20, 40, 1], [40, 40, 2]], [[5, 5, 0], [2.5, 10, 2], [math.nan, math.nan, 0]]],
        dtype=torch.float64,
    )
    target = torch.tensor([[[-0.5, -0.5], [0, 0], [1, 0]], [[0, 0], [-0.25, 0.5], [0, 0]]], dtype=torch.float64)
    law = stage.density_head(seen)
    losses = stage.keypoint_losses(law, seen, keypoints, rois)
    each = stage.density_head.loss(law, target)
    expected = (each[0].sum() + each[1, 1]) / 4
    torch.testing.assert_close(losses["loss_keypoint"], expected)
    flags = torch.tensor([[2, 1, 2], [0, 2, 0]])
    torch.testing.assert_close(losses["loss_visibility"], 0.02 * stage.calibrator.loss(seen, flags))


def test_every_parameter_learns_from_pictures_of_mixed_sizes():
    model = tiny(heads.RLE).train()
    images = [torch.rand(3, 64, 80), torch.rand(3, 90, 61), torch.rand(3, 64, 64)]
    truth = [targets([5.0, 5, 30, 60], [40.0, 10, 70, 55]), targets([10.0, 10, 50, 80]), targets()]
    losses = model(images, truth)
    names = ("classifier", "box_reg", "objectness", "rpn_box_reg", "keypoint", "visibility")
    assert set(losses) == {f"loss_{name}" for name in names}
    assert all(loss.isfinite() and loss.shape == () for loss in losses.values())
    sum(losses.values()).backward()
    assert [
        name for name, value in model.named_parameters() if value.grad is None or not value.grad.isfinite().all()
    ] == []
    assert model.detector.roi_heads.tower[0].weight.grad.abs().sum() > 0


def test_pictures_without_people_and_without_labels_train():
    model = tiny().train()
    unlabelled = targets([5.0, 5, 30, 60])
    unlabelled["keypoints"][..., 2] = 0
    losses = model([torch.rand(3, 64, 80), torch.rand(3, 64, 64)], [targets(), unlabelled])
    assert losses["loss_keypoint"].item() == 0
    sum(losses.values()).backward()
    losses = model([torch.rand(3, 64, 80)], [targets()])
    assert losses["loss_keypoint"].item() == losses["loss_visibility"].item() == 0
    sum(losses.values()).backward()


def test_predictions_are_in_the_pictures_own_pixels():
    """The head answers with the box's centre at first, whatever the picture's size was scaled to."""
    model = tiny()
    images = [torch.rand(3, 64, 80), torch.rand(3, 200, 150)]
    people = model.predict(images, score_threshold=0.0, image_ids=["a", "b"])
    assert [everybody[0].image_id for everybody in people] == ["a", "b"]
    for image, everybody in zip(images, people, strict=True):
        assert len(everybody) == 5
        assert [p.score for p in everybody] == sorted((p.score for p in everybody), reverse=True)
        for person in everybody:
            x0, y0, x1, y1 = person.box_xyxy.tolist()
            assert 0 <= x0 < x1 <= image.shape[2]
            assert 0 <= y0 < y1 <= image.shape[1]
            sides = torch.tensor([x1 - x0, y1 - y0])
            middle = torch.tensor([(x0 + x1) / 2, (y0 + y1) / 2]).expand(3, 2)
            assert ((person.keypoints - middle).abs() < 0.1 * sides).all()
            # Laplace scales begin at a tenth of the box: a variance of 2 scale^2.
            spread = person.covariance.diagonal(dim1=-2, dim2=-1).sqrt() / sides
            assert spread.numpy() == pytest.approx(0.1 * math.sqrt(2), rel=0.2)
            torch.testing.assert_close(person.distribution.mode, person.keypoints)
            widths = 2 * torch.tensor(HANDS.oks_sigmas) * (BOX_TO_AREA * sides.prod()).sqrt()
            from poserior.distributions import GaussianKernel

            kernel = GaussianKernel(person.keypoints, widths[:, None].expand(3, 2))
            torch.testing.assert_close(person.confidence, person.distribution.expectation(kernel), atol=1e-4, rtol=1e-3)
            assert person.to_coco()["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=1e-3)


@pytest.mark.parametrize("head", [heads.Gaussian, heads.RLE])
def test_nobody_is_found(head):
    model = tiny(head, box_score_thresh=1.1)
    assert model.predict([torch.rand(3, 64, 80), torch.rand(3, 70, 64)]) == [[], []]
    (found,) = model([torch.rand(3, 64, 80)])
    assert found["boxes"].shape == (0, 4)
    assert found["densities"].batch_shape == (0, 3)
    assert tiny(head).predict([torch.rand(3, 64, 80)], score_threshold=1.1) == [[]]
    assert model.predict([]) == []


def test_a_resnet_learns_one_generated_scene():
    people = Figures(length=1, seed=3, picture_size=(64, 80), people=(2, 2), supersample=1, truncation=0.0).scene(0)
    image, truth = rcnn.detection_targets(people)
    assert image.shape == (3, 64, 80)
    assert truth["keypoints"].shape == (len(people), 17, 3)
    model = rcnn.keypoint_rcnn("resnet18", heads.Laplace, **SMALL).train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for _ in range(4):
        parts = model([image], [truth])
        optimiser.zero_grad()
        sum(parts.values()).backward()
        optimiser.step()
        losses.append(parts["loss_keypoint"].item())
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rcnn.keypoint_rcnn("vgg16"), "ResNets, found 'vgg16'"),
        (lambda: rcnn.keypoint_rcnn("resnet19"), "'resnet19'"),
        (lambda: tiny().train()([torch.rand(3, 64, 64)]), "targets in training mode"),
        (
            lambda: tiny().train()([torch.rand(3, 64, 64)], [{**targets(), "keypoints": torch.zeros(0, 17, 3)}]),
            r"\(N, 3, 3\) for hands, found \(0, 17, 3\)",
        ),
        (lambda: rcnn.detection_targets([]), "found nobody"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_package_itself_loads_none_of_it():
    code = (
        "import sys, poserior, poserior.distributions; assert not {'torchvision', 'poserior.rcnn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
