import math

import numpy as np
import pytest
import torch

from poserior.analyses import describe_components
from poserior.dense.component_results import average_precision
from poserior.dense.component_speed import canvas_of, read_setting, time_settings
from poserior.dense.heads import DenseFixed, DenseMixture
from poserior.dense.records import gather_records
from poserior.dense.spec import DenseSpec
from poserior.dense.targets import dense_targets
from poserior.errors import InputError
from poserior.geometry import box_area
from poserior.scenes import Maps, Scene
from poserior.transforms import SceneTransform, collate_scenes
from tests.dense.small_models import HANDS, small_model

BOXES = torch.tensor([[4.0, 3.0, 14.0, 11.0], [20.0, 6.0, 52.0, 38.0]])
CANVAS = (64, 96)  # 1.6 times the picture's 40 x 60
SURE = 12.0  # a logit


def scene(number: int, skeleton=None, facing=(1.0, -1.0)) -> Scene:
    keypoints = torch.zeros(2, 0, 2) if skeleton is None else BOXES[:, None, :2] + torch.tensor(
        [[8.0, 2.0], [2.0, 2.0], [5.0, 1.0], [7.0, 7.0], [3.0, 6.0]]
    )  # fmt: skip
    return Scene(
        image=torch.full((40, 60, 3), 90 + number, dtype=torch.uint8),
        box_xyxy=BOXES.clone(),
        category=torch.tensor([0, 1]) if skeleton is None else torch.tensor([0, 0]),
        keypoints=keypoints,
        visibility=torch.full(keypoints.shape[:2], 2),
        area=box_area(BOXES) / 2,
        annotation_id=torch.tensor([7, 3]),
        crowd_xyxy=torch.zeros(0, 4),
        categories=("cup", "ball") if skeleton is None else ("person",),
        skeleton=skeleton,
        image_id=f"picture {number}",
        original_size=(40, 60),
        facts={"facing": torch.tensor(facing)},
    )


def knowing(head, skeleton, pictures):
    """A network that knows the pictures' objects: its first component says the truth where the object is small."""
    model, spec = small_model(head, skeleton, categories=2 if skeleton is None else 1)
    spec = DenseSpec(spec.backbone, spec.head, pictures[0].categories, skeleton, CANVAS)

    def predict(images):
        batch = collate_scenes([SceneTransform(CANVAS)(pictures[0]) for _ in images])
        target = dense_targets(batch, model.num_categories, model.stride)
        height, width = target.heat.shape[-2:]
        heat = torch.full_like(target.heat, -SURE)
        points = target.size[..., None, :] if skeleton is None else target.points
        truth = points.flatten(2)
        raw = torch.zeros(len(images), sum(head.sizes), height * width)
        offset = torch.zeros(len(images), 2, height * width)
        size = torch.zeros(len(images), 2, height * width)
        for b in range(len(images)):
            for n in range(2):
                cell, category = int(target.cell[b, n]), int(target.category[b, n])
                heat[b, category].view(-1)[cell] = 3.0 - n
                offset[b, :, cell], size[b, :, cell] = target.offset[b, n], target.size[b, n]
                logits = torch.tensor([SURE, 0.0] if n == 0 else [0.0, SURE])
                good, bad = truth[b, n], 2 * truth[b, n]
                raw[b, :2, cell] = logits
                raw[b, 2 : 2 + 2 * len(good), cell] = torch.cat([good, bad] if n == 0 else [bad, good])
        grid = (height, width)
        return Maps(
            heat,
            offset.unflatten(-1, grid),
            raw.unflatten(-1, grid),
            None if skeleton is None else size.unflatten(-1, grid),
        )

    model.predict = predict
    return model, spec


def gathered(skeleton=None, count=3):
    factors = (1.0,) if skeleton is None else skeleton.oks_sigmas
    pictures = [scene(n, skeleton) for n in range(count)]
    model, spec = knowing(DenseMixture(6, factors, components=2, channels=7), skeleton, pictures)
    return gather_records(model, spec, pictures, count=5, batch_size=2, device="cpu", show=2, progress=False), spec


def test_boxes_go_back_to_the_original_picture_by_component():
    said, spec = gathered()
    assert average_precision(said.results["all"], said.annotations, None)["AP"] == pytest.approx(1)
    # the first component knows the small object (category 1 of COCO's tool) alone, the second the large one
    for name, good, bad in (("1", 1, 2), ("2", 2, 1)):
        best = [r for r in said.results[name] if r["score"] > 0.5]
        found = {r["category_id"]: r["bbox"] for r in best if r["image_id"] == 1}
        x0, y0, x1, y1 = BOXES[good - 1].tolist()
        np.testing.assert_allclose(found[good], [x0, y0, x1 - x0, y1 - y0], atol=1e-3)
        x0, y0, x1, y1 = BOXES[bad - 1].tolist()
        np.testing.assert_allclose(found[bad][2:], [2 * (x1 - x0), 2 * (y1 - y0)], atol=1e-3)
        assert average_precision(said.results[name], said.annotations, None)["AP"] == pytest.approx(0.5)
    assert said.truth.scale.tolist() == pytest.approx([80**0.5, 32] * 3, rel=1e-5)
    assert said.at_truth.component.tolist() == [0, 1] * 3
    assert said.at_truth.match.tolist() == list(range(6))
    sure = said.found.score > 0.5
    assert said.found.match[sure].tolist() == [0, 1, 2, 3, 4, 5]
    assert (said.found.match[~sure] == -1).all()
    torch.testing.assert_close(said.found.scale[sure], said.truth.scale)
    # raw 0 is ELU + offset 2: two cells of 4 canvas pixels, 1.6 of which are one of the picture
    torch.testing.assert_close(said.at_truth.spread, torch.full((6, 2), 2 * 4 / 1.6))
    assert [shown.name for shown in said.shown] == ["picture 0", "picture 1"]
    assert said.shown[0].label == ("cup", "ball")
    assert said.shown[0].component.tolist() == [0, 1]
    result = describe_components(said.found, said.at_truth, said.truth, spec.categories, None)
    assert result.scale.pearson == pytest.approx(1)
    assert result.predictions == 6


def test_poses_by_component_with_their_known_viewpoint():
    said, spec = gathered(HANDS)
    whole = average_precision(said.results["all"], said.annotations, HANDS)
    alone = average_precision(said.results["1"], said.annotations, HANDS)
    assert whole["AP"] == pytest.approx(1)
    assert alone["AP"] < 0.6
    best = said.results["all"][0]
    expected = (scene(0, HANDS).keypoints[0] - 0.5).flatten().tolist()
    assert [v for i, v in enumerate(best["keypoints"]) if i % 3 < 2] == pytest.approx(expected, abs=1e-3)
    assert said.truth.facing.tolist() == [1, -1] * 3
    # the small person's middle lies 5 and 4 pixels from the box's corner, give or take half a cell
    signs = said.at_truth.offsets[0].sign()
    assert signs[:2, 0].tolist() == [1, -1]
    mean = sum(HANDS.oks_sigmas) / 5 * 2 * 4 / 1.6
    torch.testing.assert_close(said.at_truth.spread, torch.full((6, 2), mean))
    assert said.shown[1].points.shape == (2, 5, 2)
    assert said.shown[1].covariance.shape == (2, 5, 2, 2)
    result = describe_components(said.found, said.at_truth, said.truth, spec.categories, HANDS)
    assert result.view.phi.tolist() == pytest.approx([1, -1])
    assert result.view.information == pytest.approx(1)


def test_a_single_mode_answers_once():
    model, spec = small_model(DenseFixed(6, (1.0,), channels=7), None, categories=2)
    spec = DenseSpec(spec.backbone, spec.head, ("cup", "ball"), None, CANVAS)
    said = gather_records(model, spec, [scene(0)], count=4, device="cpu", progress=False)
    assert list(said.results) == ["all"]
    assert said.found.weights.shape == (4, 1)
    assert said.found.offsets.shape == (4, 0, 2)


def test_pictures_without_objects_and_no_pictures():
    model, spec = small_model(DenseMixture(6, (1.0,), components=2, channels=7), None, categories=2)
    spec = DenseSpec(spec.backbone, spec.head, ("cup", "ball"), None, CANVAS)
    empty = scene(0)
    nothing = {name: getattr(empty, name)[:0] for name in ("box_xyxy", "category", "keypoints", "visibility", "area")}
    empty = Scene(**{**vars(empty), **nothing, "annotation_id": torch.zeros(0, dtype=torch.int64), "facts": {}})
    said = gather_records(model, spec, [empty], count=4, device="cpu", progress=False)
    assert len(said.truth.scale) == len(said.at_truth.score) == 0
    assert (said.found.match == -1).all()
    assert math.isnan(average_precision(said.results["all"], said.annotations, None)["AP"])
    with pytest.raises(InputError, match="expected pictures to look at, found none"):
        gather_records(model, spec, [], device="cpu", progress=False)


def test_settings_are_timed_in_turn():
    model, spec = small_model(DenseMixture(6, HANDS.oks_sigmas, components=2, channels=7), HANDS)
    spec = DenseSpec(spec.backbone, spec.head, ("person",), HANDS, (40, 56))
    settings = ("40", "56f", "o", "56S3")
    found = time_settings({"one": (model, spec)}, settings, [scene(0, HANDS), scene(1, HANDS)], "cpu", progress=False)
    assert [timing.setting for timing in found["one"]] == list(settings)
    assert all(0 < timing.seconds < 60 and 0 <= timing.average_precision <= 1 for timing in found["one"])


def test_settings_are_read():
    assert read_setting("o") == {"side": None, "scales": (1.0,), "flip_test": False}
    assert read_setting("768S5f")["scales"] == (0.5, 0.75, 1.0, 1.25, 1.5)
    spec = DenseSpec({}, {}, ("cup",), None, (64, 96))
    assert canvas_of(192, spec, 32) == (128, 192)
    assert canvas_of(None, spec, 32) == "original"
    for text in ("", "0", "512x", "S3", "big"):
        with pytest.raises(InputError, match="expected a setting such as"):
            read_setting(text)
